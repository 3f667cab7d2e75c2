//! Reads a Python pickle as data. Nothing is imported, called or executed: a name is looked up in a short list and refused
//! when it is not there, and a "call" becomes a node that says what would have been called.
//!
//! Deliberately not a whole pickle reader: protocol 2, and of it the opcodes that a PyTorch state dict is written with. The
//! opcodes are described in the module `pickletools` of Python's standard library.

use std::collections::HashMap;

use crate::bytes::Cursor;

/// What is wrong with a file that is read, for the cause of an error.
pub(crate) type Fault = String;

/// The most opcodes that are read; the embedded model's own state dict has 10,696.
const MOST_STEPS: usize = 1 << 20;

/// The only names that a pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    FloatStorage,
    LongStorage,
}

impl Global {
    fn named(module: &[u8], name: &[u8]) -> Result<Self, Fault> {
        match (module, name) {
            (b"collections", b"OrderedDict") => Ok(Self::OrderedDict),
            (b"torch._utils", b"_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            (b"torch", b"FloatStorage") => Ok(Self::FloatStorage),
            (b"torch", b"LongStorage") => Ok(Self::LongStorage),
            _ => Err(format!(
                "the pickle names {}.{}, which is not allowed",
                String::from_utf8_lossy(module),
                String::from_utf8_lossy(name)
            )),
        }
    }
}

/// Points at a node of its [`Pickle`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ref(usize);

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    None,
    Bool(bool),
    Int(i128),
    Text(String),
    Tuple(Vec<Ref>),
    List(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Global(Global),
    /// What would be called, with which arguments (a tuple).
    Call(Global, Ref),
    /// A thing outside the pickle, by what names it.
    Persistent(Ref),
}

/// What a pickle holds: nodes that point at each other, possibly in circles, and one that is its value.
#[derive(Debug)]
pub(crate) struct Pickle {
    nodes: Vec<Node>,
    value: Ref,
}

impl Pickle {
    /// Reads one pickle and leaves the cursor behind it.
    pub(crate) fn read(bytes: &mut Cursor<'_>) -> Result<Self, Fault> {
        let mut machine = Machine::default();
        for _ in 0..MOST_STEPS {
            if let Some(value) = machine.step(bytes)? {
                return Ok(Self { nodes: machine.nodes, value });
            }
        }
        Err(format!("the pickle has more than {MOST_STEPS} opcodes"))
    }

    /// The value of the whole.
    pub(crate) fn value(&self) -> &Node {
        self.at(self.value)
    }

    /// The node that is pointed at.
    pub(crate) fn at(&self, place: Ref) -> &Node {
        self.nodes.get(place.0).unwrap_or(&Node::None)
    }
}

#[derive(Default)]
struct Machine {
    nodes: Vec<Node>,
    stack: Vec<Ref>,
    /// How high the stack was at each open mark.
    marks: Vec<usize>,
    memo: HashMap<usize, Ref>,
}

impl Machine {
    /// One opcode; the value when it was the last one.
    fn step(&mut self, bytes: &mut Cursor<'_>) -> Result<Option<Ref>, Fault> {
        match bytes.byte()? {
            b'.' => return self.pop().map(Some),
            0x80 => match bytes.byte()? {
                2 => {}
                other => return Err(format!("pickle protocol {other}, not 2")),
            },
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => self.int(bytes, 1)?,
            b'M' => self.int(bytes, 2)?,
            b'J' => {
                let int = i32::from_le_bytes(bytes.array()?);
                self.push(Node::Int(int.into()));
            }
            0x8a => {
                let length = bytes.byte()?;
                let int = signed(bytes.take(length.into())?)?;
                self.push(Node::Int(int));
            }
            b'X' => {
                let length = bytes.length_u32()?;
                let text = std::str::from_utf8(bytes.take(length)?).map_err(|_| "text that is not UTF-8")?;
                self.push(Node::Text(text.to_owned()));
            }
            b'c' => {
                let (module, name) = (bytes.line()?, bytes.line()?);
                self.push(Node::Global(Global::named(module, name)?));
            }
            b'Q' => {
                let name = self.pop()?;
                self.push(Node::Persistent(name));
            }
            b'R' => {
                let arguments = self.pop()?;
                let called = self.pop()?;
                self.reduce(called, arguments)?;
            }
            // An object's attributes: PyTorch keeps the versions of layers there, which nothing here needs.
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items));
            }
            short @ (0x85..=0x87) => {
                let count = usize::from(short - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or("the stack ran empty")?;
                let items = self.stack.split_off(start);
                self.push(Node::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            b'q' => self.remember(bytes.byte()?.into())?,
            b'r' => self.remember(bytes.length_u32()?)?,
            b'h' => self.recall(bytes.byte()?.into())?,
            b'j' => self.recall(bytes.length_u32()?)?,
            other => return Err(format!("pickle opcode {other:#04x} is not allowed")),
        }
        Ok(None)
    }

    fn push(&mut self, node: Node) {
        self.stack.push(Ref(self.nodes.len()));
        self.nodes.push(node);
    }

    fn top(&self) -> Result<Ref, Fault> {
        // What lies below an open mark is not this opcode's to touch.
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.last() {
            Some(top) if self.stack.len() > floor => Ok(*top),
            _ => Err("the stack ran empty".to_owned()),
        }
    }

    fn pop(&mut self) -> Result<Ref, Fault> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Ref>, Fault> {
        let mark = self.marks.pop().ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn int(&mut self, bytes: &mut Cursor<'_>, length: usize) -> Result<(), Fault> {
        let int = bytes.take(length)?.iter().rev().fold(0, |int, byte| int << 8 | i128::from(*byte));
        self.push(Node::Int(int));
        Ok(())
    }

    fn reduce(&mut self, called: Ref, arguments: Ref) -> Result<(), Fault> {
        let node = match self.nodes.get(called.0) {
            Some(Node::Global(Global::OrderedDict)) => Node::Dict(Vec::new()),
            Some(Node::Global(Global::RebuildTensor)) => Node::Call(Global::RebuildTensor, arguments),
            _ => return Err("the pickle calls what cannot be called".to_owned()),
        };
        self.push(node);
        Ok(())
    }

    fn append(&mut self, items: Vec<Ref>) -> Result<(), Fault> {
        let list = self.top()?;
        match self.nodes.get_mut(list.0) {
            Some(Node::List(list)) => list.extend(items),
            _ => return Err("the pickle appends to what is no list".to_owned()),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Ref]) -> Result<(), Fault> {
        let (pairs, rest) = items.as_chunks::<2>();
        let dict = self.top()?;
        match self.nodes.get_mut(dict.0) {
            Some(Node::Dict(dict)) if rest.is_empty() => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err("the pickle sets items of what is no dict".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, place: usize) -> Result<(), Fault> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), Fault> {
        let known = self.memo.get(&place).ok_or("the pickle recalls what it has not remembered")?;
        self.stack.push(*known);
        Ok(())
    }
}

/// A little-endian integer in two's complement.
fn signed(bytes: &[u8]) -> Result<i128, Fault> {
    if bytes.len() > 16 {
        return Err(format!("an integer of {} bytes", bytes.len()));
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    Ok(bytes.iter().rev().fold(start, |int: i128, byte| int << 8 | i128::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle, Fault> {
        Pickle::read(&mut Cursor::new(bytes))
    }

    fn refused(bytes: &[u8], why: &str) {
        let fault = read(bytes).unwrap_err();
        assert!(fault.contains(why), "{fault}");
    }

    #[test]
    fn values_are_read() {
        let pickle = read(b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x07X\x01\x00\x00\x00b\x8a\x01\xffu.").unwrap();
        let Node::Dict(items) = pickle.value() else { panic!("{pickle:?}") };
        let items: Vec<_> = items.iter().map(|(key, value)| (pickle.at(*key), pickle.at(*value))).collect();
        assert_eq!(
            items,
            [(&Node::Text("a".into()), &Node::Int(7)), (&Node::Text("b".into()), &Node::Int(-1))],
            "one-byte integers are unsigned, long ones signed"
        );
    }

    #[test]
    fn a_name_that_is_not_on_the_list_is_refused() {
        refused(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", "os.system");
        refused(b"\x80\x02cbuiltins\neval\n.", "builtins.eval");
        refused(b"\x80\x02ctorch\n_utils._rebuild_tensor_v2\n.", "not allowed");
        refused(b"cposix\nsystem\n(X\x01\x00\x00\x00atR.", "posix.system");
    }

    #[test]
    fn opcodes_that_could_call_are_refused() {
        for opcode in [b'i', b'o', b'P', b'g', 0x81, 0x82, 0x92, 0x93] {
            refused(&[0x80, 2, b'(', b'N', opcode, b'\n', b'.'], "opcode");
        }
    }

    #[test]
    fn only_names_can_be_called() {
        refused(b"\x80\x02N)R.", "cannot be called");
        refused(b"\x80\x02ctorch\nFloatStorage\n)R.", "cannot be called");
    }

    #[test]
    fn damage_is_an_error() {
        let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x07X\x01\x00\x00\x00b]q\x01(K\x01K\x02eu.";
        assert!(read(whole).is_ok());
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        for place in 0..whole.len() {
            for value in 0..=255 {
                let mut bytes = whole.to_vec();
                bytes[place] = value;
                let _ = read(&bytes);
            }
        }
    }

    #[test]
    fn counts_beyond_the_file_are_an_error() {
        refused(b"\x80\x02X\xff\xff\xff\xffabc.", "ends");
        refused(b"\x80\x02\x8a\xff\x01.", "ends");
        refused(b"\x80\x02\x8a\x11aaaaaaaaaaaaaaaaa.", "17 bytes");
        refused(b"\x80\x02j\xff\xff\xff\xff.", "not remembered");
        refused(b"\x80\x02Nt.", "mark");
        refused(b"\x80\x02(0.", "opcode");
        refused(b"\x80\x02N(R.", "ran empty");
        refused(&vec![b'N'; MOST_STEPS + 2], "more than");
    }
}
