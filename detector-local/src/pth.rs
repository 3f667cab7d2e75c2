//! The legacy PyTorch file as tensors: a row of pickles (magic, protocol, system information, state dict, storage keys),
//! then for each key its element count and its raw data.
//!
//! Deliberately not here: what the tensors mean.

use std::collections::{BTreeMap, HashMap};

use crate::{
    bytes::Cursor,
    pickle::{Fault, Global, Node, Pickle, Ref},
};

const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// Numbers in rows, the last dimension fastest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// All 32-bit float tensors of a state dict by name. Integer tensors (counters of training) are passed over.
pub(crate) fn tensors(file: &[u8]) -> Result<BTreeMap<String, Tensor>, Fault> {
    let bytes = &mut Cursor::new(file);
    expect(&Pickle::read(bytes)?, MAGIC, "this is no legacy PyTorch file")?;
    expect(&Pickle::read(bytes)?, PROTOCOL, "the PyTorch file has another protocol than 1001")?;
    Pickle::read(bytes)?;
    let state = Pickle::read(bytes)?;
    let keys = Pickle::read(bytes)?;

    let views = views(&state)?;
    let storages = storages(bytes, &keys, &views)?;
    let floats = views.into_iter().filter(|(_, view)| view.kind == Global::FloatStorage);
    floats.map(|(name, view)| Ok((name.to_owned(), view.gather(&storages)?))).collect()
}

fn expect(pickle: &Pickle, number: i128, otherwise: &str) -> Result<(), Fault> {
    if *pickle.value() == Node::Int(number) { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// A tensor's place in a storage.
struct View<'a> {
    kind: Global,
    key: &'a str,
    /// Elements of the storage.
    count: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

fn views(state: &Pickle) -> Result<Vec<(&str, View<'_>)>, Fault> {
    let Node::Dict(items) = state.value() else { return Err("the state is no dict".to_owned()) };
    items.iter().map(|(name, tensor)| Ok((text(state, *name)?, view(state, *tensor)?))).collect()
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, …)`, the storage being `("storage", type, key, device, count, …)`.
fn view(state: &Pickle, tensor: Ref) -> Result<View<'_>, Fault> {
    let Node::Call(Global::RebuildTensor, arguments) = state.at(tensor) else {
        return Err("the state holds what is no tensor".to_owned());
    };
    let [storage, offset, shape, strides, ..] = tuple(state, *arguments)? else {
        return Err("a tensor lacks arguments".to_owned());
    };
    let Node::Persistent(storage) = state.at(*storage) else { return Err("a tensor has no storage".to_owned()) };
    let [_, kind, key, _, count, ..] = tuple(state, *storage)? else {
        return Err("a storage lacks arguments".to_owned());
    };
    let Node::Global(kind @ (Global::FloatStorage | Global::LongStorage)) = *state.at(*kind) else {
        return Err("a storage has no type".to_owned());
    };
    let sizes = |list: Ref| tuple(state, list)?.iter().map(|size| size_at(state, *size)).collect::<Result<Vec<_>, _>>();
    let (shape, strides) = (sizes(*shape)?, sizes(*strides)?);
    if shape.len() != strides.len() {
        return Err("a tensor has more dimensions than strides".to_owned());
    }
    let (count, offset) = (size_at(state, *count)?, size_at(state, *offset)?);
    Ok(View { kind, key: text(state, *key)?, count, offset, shape, strides })
}

impl View<'_> {
    /// Copies the view's elements in the order of its shape.
    fn gather(&self, storages: &HashMap<&str, &[u8]>) -> Result<Tensor, Fault> {
        let beyond = "a tensor reaches beyond its storage";
        let storage = storages.get(self.key).ok_or("a tensor's storage is not in the file")?;
        let (elements, _) = storage.as_chunks::<4>();
        let count = self.shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size)).ok_or(beyond)?;
        // The embedded model's tensors use each element once; without this rule a tiny file could ask for any size.
        if count > elements.len() {
            return Err(beyond.to_owned());
        }
        let mut data = Vec::with_capacity(count);
        let mut place = vec![0_usize; self.shape.len()];
        for _ in 0..count {
            let mut steps = place.iter().zip(&self.strides);
            let index = steps.try_fold(self.offset, |index: usize, (step, stride)| {
                step.checked_mul(*stride).and_then(|far| index.checked_add(far))
            });
            let element = index.and_then(|index| elements.get(index)).ok_or(beyond)?;
            data.push(f32::from_le_bytes(*element));
            for (step, size) in place.iter_mut().zip(&self.shape).rev() {
                *step += 1;
                if *step < *size {
                    break;
                }
                *step = 0;
            }
        }
        Ok(Tensor { shape: self.shape.clone(), data })
    }
}

/// The raw bytes of each storage, in the order of the keys.
fn storages<'a>(
    bytes: &mut Cursor<'a>,
    keys: &'a Pickle,
    views: &[(&str, View<'_>)],
) -> Result<HashMap<&'a str, &'a [u8]>, Fault> {
    let known: HashMap<&str, &View<'_>> = views.iter().map(|(_, view)| (view.key, view)).collect();
    let Node::List(list) = keys.value() else { return Err("the storage keys are no list".to_owned()) };
    let mut storages = HashMap::new();
    for key in list {
        let key = text(keys, *key)?;
        let view = known.get(key).ok_or("a storage belongs to no tensor")?;
        let count =
            usize::try_from(i64::from_le_bytes(bytes.array()?)).map_err(|_| "a storage has a negative count")?;
        if count != view.count {
            return Err("a storage has another count than its tensor says".to_owned());
        }
        let size = if view.kind == Global::FloatStorage { 4 } else { 8 };
        let length = count.checked_mul(size).ok_or("a storage is larger than this machine")?;
        storages.insert(key, bytes.take(length)?);
    }
    if bytes.is_empty() { Ok(storages) } else { Err("the file goes on behind its last storage".to_owned()) }
}

fn tuple(pickle: &Pickle, place: Ref) -> Result<&[Ref], Fault> {
    match pickle.at(place) {
        Node::Tuple(items) => Ok(items),
        _ => Err("something is no tuple".to_owned()),
    }
}

fn text(pickle: &Pickle, place: Ref) -> Result<&str, Fault> {
    match pickle.at(place) {
        Node::Text(text) => Ok(text),
        _ => Err("a name is no text".to_owned()),
    }
}

fn size_at(pickle: &Pickle, place: Ref) -> Result<usize, Fault> {
    match pickle.at(place) {
        Node::Int(int) => usize::try_from(*int).map_err(|_| "a size is negative or too large".to_owned()),
        _ => Err("a size is no number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one tensor `w` over a storage of `count` declared and `data` real elements.
    fn file(shape: &[u8], strides: &[u8], count: u8, data: &[f32]) -> Vec<u8> {
        let text = |text: &str| {
            let mut bytes = vec![b'X'];
            bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
            bytes.extend(text.as_bytes());
            bytes
        };
        let sizes = |sizes: &[u8]| {
            let mut bytes = vec![b'('];
            sizes.iter().for_each(|size| bytes.extend([b'K', *size]));
            bytes.push(b't');
            bytes
        };
        let mut bytes = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
        bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
        bytes.extend(b"\x80\x02ccollections\nOrderedDict\n)R(");
        bytes.extend(text("w"));
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        bytes.extend(text("storage"));
        bytes.extend(b"ctorch\nFloatStorage\n");
        bytes.extend(text("1"));
        bytes.extend(text("cpu"));
        bytes.extend([b'K', count, b'N', b't', b'Q', b'K', 0]);
        bytes.extend(sizes(shape));
        bytes.extend(sizes(strides));
        bytes.extend(b"tRu.\x80\x02](");
        bytes.extend(text("1"));
        bytes.extend(b"e.");
        bytes.extend(i64::from(count).to_le_bytes());
        data.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        bytes
    }

    #[test]
    fn strides_are_followed() {
        let read = tensors(&file(&[2, 3], &[1, 2], 6, &[0., 1., 2., 3., 4., 5.])).unwrap();
        assert_eq!(read["w"], Tensor { shape: vec![2, 3], data: vec![0., 2., 4., 1., 3., 5.] });
    }

    #[test]
    fn a_tensor_stays_within_its_storage() {
        let fault = tensors(&file(&[2, 2], &[2, 2], 4, &[0.; 4])).unwrap_err();
        assert!(fault.contains("beyond"), "{fault}");
        let fault = tensors(&file(&[255, 255, 255, 255, 255, 255, 255, 255, 255], &[0; 9], 1, &[0.])).unwrap_err();
        assert!(fault.contains("beyond"), "{fault}");
        let fault = tensors(&file(&[0, 255], &[1, 1], 1, &[0.])).unwrap();
        assert!(fault["w"].data.is_empty());
    }

    #[test]
    fn damage_is_an_error() {
        let whole = file(&[4], &[1], 4, &[1.; 4]);
        assert!(tensors(&whole).is_ok());
        for end in 0..whole.len() {
            assert!(tensors(&whole[..end]).is_err(), "cut at {end}");
        }
        assert!(tensors(&[whole.as_slice(), b"x"].concat()).is_err());
        assert!(tensors(&file(&[4], &[1], 200, &[1.; 4])).is_err(), "a count beyond the file");
        for place in 0..whole.len() {
            for value in [0, 1, b'N', b'(', 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] = value;
                let _ = tensors(&bytes);
            }
        }
    }
}
