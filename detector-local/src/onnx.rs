//! The part of ONNX's file format that a small classifier needs, and a builder for such graphs.
//!
//! Field numbers are those of `onnx.proto` of the ONNX project; what is not used here is left out.

use prost::Message;

/// The operator set that the graphs here are written in.
const OPSET: i64 = 17;
/// The file format that came with that operator set.
const IR_VERSION: i64 = 8;
const FLOAT: i32 = 1;
const EXTERNAL: i32 = 1;
/// Constants of fewer bytes stay in the graph, where its optimizers look at them.
const LEAST_BESIDE: usize = 1024;
/// Where constants begin in their own file, so that they can be used where they lie.
const ALIGNMENT: usize = 64;

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<AttributeProto>,
}

#[derive(Clone, PartialEq, Message)]
struct AttributeProto {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "3")]
    int: i64,
    #[prost(bytes = "vec", tag = "4")]
    text: Vec<u8>,
    #[prost(int64, repeated, tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    kind: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
struct Shape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(int64, optional, tag = "1")]
    value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

/// A setting of an operator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attribute<'a> {
    /// A whole number.
    Int(i64),
    /// Several whole numbers.
    Ints(&'a [i64]),
    /// A word.
    Text(&'a str),
}

/// A graph of 32-bit float tensors in the making. Values are named; a node's output has the node's name.
#[derive(Debug, Default)]
pub struct Graph {
    proto: GraphProto,
}

impl Graph {
    /// An empty graph.
    pub fn new(name: &str) -> Self {
        Self { proto: GraphProto { name: name.to_owned(), ..GraphProto::default() } }
    }

    /// Adds an input; a dimension of -1 is left open.
    pub fn input(&mut self, name: &str, dims: &[i64]) {
        self.proto.input.push(value_info(name, dims));
    }

    /// Names a value that is an output; a dimension of -1 is left open.
    pub fn output(&mut self, name: &str, dims: &[i64]) {
        self.proto.output.push(value_info(name, dims));
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: &str, dims: &[i64], data: &[f32]) {
        let raw_data = data.iter().flat_map(|number| number.to_le_bytes()).collect();
        let tensor =
            Tensor { dims: dims.to_vec(), data_type: FLOAT, name: name.to_owned(), raw_data, ..Tensor::default() };
        self.proto.initializer.push(tensor);
    }

    /// Adds an operator whose only output is called `name`.
    pub fn node(&mut self, operator: &str, name: &str, inputs: &[&str], attributes: &[(&str, Attribute<'_>)]) {
        let attribute = attributes.iter().map(|(name, value)| attribute(name, *value)).collect();
        self.proto.node.push(Node {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute,
        });
    }

    /// The graph as an ONNX file and a file of its large constants, which must lie beside it under the name `beside`.
    pub fn into_files(mut self, beside: &str) -> (Vec<u8>, Vec<u8>) {
        let mut weights = Vec::new();
        let large = self.proto.initializer.iter_mut().filter(|tensor| tensor.raw_data.len() >= LEAST_BESIDE);
        for tensor in large {
            weights.resize(weights.len().next_multiple_of(ALIGNMENT), 0);
            let place = [("offset", weights.len()), ("length", tensor.raw_data.len())];
            let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
            tensor.external_data = vec![entry("location", beside.to_owned())];
            tensor.external_data.extend(place.map(|(key, value)| entry(key, value.to_string())));
            tensor.data_location = EXTERNAL;
            weights.append(&mut tensor.raw_data);
        }
        (self.into_file(), weights)
    }

    /// The graph as one ONNX file.
    pub fn into_file(self) -> Vec<u8> {
        let model = Model {
            ir_version: IR_VERSION,
            producer_name: "crosslens".to_owned(),
            graph: Some(self.proto),
            opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        };
        model.encode_to_vec()
    }
}

fn attribute(name: &str, value: Attribute<'_>) -> AttributeProto {
    let name = name.to_owned();
    match value {
        Attribute::Int(int) => AttributeProto { name, int, kind: 2, ..AttributeProto::default() },
        Attribute::Ints(ints) => AttributeProto { name, ints: ints.to_vec(), kind: 7, ..AttributeProto::default() },
        Attribute::Text(text) => {
            AttributeProto { name, text: text.as_bytes().to_vec(), kind: 3, ..AttributeProto::default() }
        }
    }
}

fn value_info(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = dims.iter().enumerate().map(|(place, size)| match size {
        0.. => Dimension { value: Some(*size), name: None },
        _ => Dimension { value: None, name: Some(format!("{name}_{place}")) },
    });
    let shape = Some(Shape { dim: dim.collect() });
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(TensorType { elem_type: FLOAT, shape }) }) }
}
