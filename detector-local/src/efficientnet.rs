//! EfficientNet-Lite0 as an ONNX graph, out of the tensors of its PyTorch state dict, batch norm folded in.
//!
//! The architecture is EfficientNet-B0 without squeeze-and-excitation, with ReLU6, its stem and head not scaled (Tan and Le,
//! "EfficientNet", 2019; the Lite variants by Google, 2020). Padding is TensorFlow's SAME.

use std::collections::BTreeMap;

use crate::{
    onnx::{Attribute, Graph},
    pickle::Fault,
    pth::Tensor,
};

/// Pixels of the input's sides.
pub(crate) const SIDE: u32 = 224;
/// How many classes it tells apart.
pub(crate) const CLASSES: usize = 1000;

const EPSILON: f64 = 1e-3;

/// Kernel, stride, expansion, channels in, channels out.
const BLOCKS: [(i64, i64, i64, i64, i64); 16] = [
    (3, 1, 1, 32, 16),
    (3, 2, 6, 16, 24),
    (3, 1, 6, 24, 24),
    (5, 2, 6, 24, 40),
    (5, 1, 6, 40, 40),
    (3, 2, 6, 40, 80),
    (3, 1, 6, 80, 80),
    (3, 1, 6, 80, 80),
    (5, 1, 6, 80, 112),
    (5, 1, 6, 112, 112),
    (5, 1, 6, 112, 112),
    (5, 2, 6, 112, 192),
    (5, 1, 6, 192, 192),
    (5, 1, 6, 192, 192),
    (5, 1, 6, 192, 192),
    (3, 1, 6, 192, 320),
];

/// The graph: `input` of 1×3×224×224 to `logits` of 1×1000.
pub(crate) fn graph(tensors: &BTreeMap<String, Tensor>) -> Result<Graph, Fault> {
    let mut net = Net { tensors, graph: Graph::new("efficientnet-lite0") };
    let side = i64::from(SIDE);
    net.graph.input("input", &[1, 3, side, side]);
    net.graph.constant("zero", &[], &[0.0]);
    net.graph.constant("six", &[], &[6.0]);

    let mut x = net.conv("input", "_conv_stem", "_bn0", [32, 3, 3, 3], 2, 1)?;
    x = net.relu6(&x);
    for (number, block) in BLOCKS.into_iter().enumerate() {
        x = net.block(&x, &format!("_blocks.{number}"), block)?;
    }
    x = net.conv(&x, "_conv_head", "_bn1", [1280, 320, 1, 1], 1, 1)?;
    x = net.relu6(&x);
    net.graph.node("GlobalAveragePool", "pooled", &[&x], &[]);
    net.graph.node("Flatten", "flat", &["pooled"], &[]);

    let classes = CLASSES as i64;
    let (weight, bias) = (net.tensor("_fc.weight", &[classes, 1280])?, net.tensor("_fc.bias", &[classes])?);
    net.graph.constant("_fc.weight", &[classes, 1280], &weight.data);
    net.graph.constant("_fc.bias", &[classes], &bias.data);
    net.graph.node("Gemm", "logits", &["flat", "_fc.weight", "_fc.bias"], &[("transB", Attribute::Int(1))]);
    net.graph.output("logits", &[1, classes]);
    Ok(net.graph)
}

struct Net<'a> {
    tensors: &'a BTreeMap<String, Tensor>,
    graph: Graph,
}

impl<'a> Net<'a> {
    /// An inverted residual: expand, look around within each channel, project back, and add the input where it fits.
    fn block(&mut self, input: &str, name: &str, block: (i64, i64, i64, i64, i64)) -> Result<String, Fault> {
        let (kernel, stride, expansion, inside, outside) = block;
        let (wide, part) = (inside * expansion, |part: &str| format!("{name}.{part}"));
        let mut x = input.to_owned();
        if expansion != 1 {
            x = self.conv(&x, &part("_expand_conv"), &part("_bn0"), [wide, inside, 1, 1], 1, 1)?;
            x = self.relu6(&x);
        }
        x = self.conv(&x, &part("_depthwise_conv"), &part("_bn1"), [wide, 1, kernel, kernel], stride, wide)?;
        x = self.relu6(&x);
        x = self.conv(&x, &part("_project_conv"), &part("_bn2"), [outside, wide, 1, 1], 1, 1)?;
        if stride == 1 && inside == outside {
            let sum = part("sum");
            self.graph.node("Add", &sum, &[&x, input], &[]);
            x = sum;
        }
        Ok(x)
    }

    /// A convolution with the batch norm behind it folded into its weights and bias.
    fn conv(
        &mut self,
        input: &str,
        name: &str,
        norm: &str,
        shape: [i64; 4],
        stride: i64,
        group: i64,
    ) -> Result<String, Fault> {
        let [channels, depth, height, width] = shape;
        let of_norm = |part: &str| self.tensor(&format!("{norm}.{part}"), &[channels]);
        let (gamma, beta) = (of_norm("weight")?, of_norm("bias")?);
        let (mean, variance) = (of_norm("running_mean")?, of_norm("running_var")?);
        let factors = gamma.data.iter().zip(&variance.data);
        let factors: Vec<f64> =
            factors.map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + EPSILON).sqrt()).collect();

        let weight = self.tensor(&format!("{name}.weight"), &shape)?;
        let per_channel = usize::try_from(depth * height * width).map_err(|_| "a kernel of negative size")?;
        let channels_of_weight = weight.data.chunks(per_channel.max(1)).zip(&factors);
        let folded: Vec<f32> = channels_of_weight
            .flat_map(|(kernel, factor)| kernel.iter().map(move |number| (f64::from(*number) * factor) as f32))
            .collect();
        let shifts = beta.data.iter().zip(&mean.data).zip(&factors);
        let bias: Vec<f32> =
            shifts.map(|((beta, mean), factor)| (f64::from(*beta) - f64::from(*mean) * factor) as f32).collect();

        let (weights, biases) = (format!("{name}.weight"), format!("{name}.bias"));
        self.graph.constant(&weights, &shape, &folded);
        self.graph.constant(&biases, &[channels], &bias);
        self.graph.node(
            "Conv",
            name,
            &[input, &weights, &biases],
            &[
                ("kernel_shape", Attribute::Ints(&[height, width])),
                ("strides", Attribute::Ints(&[stride, stride])),
                ("group", Attribute::Int(group)),
                ("auto_pad", Attribute::Text("SAME_UPPER")),
            ],
        );
        Ok(name.to_owned())
    }

    fn relu6(&mut self, input: &str) -> String {
        let name = format!("{input}.relu6");
        self.graph.node("Clip", &name, &[input, "zero", "six"], &[]);
        name
    }

    fn tensor(&self, name: &str, shape: &[i64]) -> Result<&'a Tensor, Fault> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("the weights have no tensor {name}"))?;
        let as_wanted = tensor.shape.len() == shape.len()
            && tensor.shape.iter().zip(shape).all(|(size, wanted)| i64::try_from(*size) == Ok(*wanted));
        if as_wanted { Ok(tensor) } else { Err(format!("{name} has the shape {:?}, not {shape:?}", tensor.shape)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_misshapen_tensors_are_named() {
        let mut tensors = BTreeMap::new();
        assert!(graph(&tensors).unwrap_err().contains("_bn0.weight"));
        tensors.insert("_bn0.weight".to_owned(), Tensor { shape: vec![31], data: vec![0.0; 31] });
        assert!(graph(&tensors).unwrap_err().contains("[31], not [32]"));
    }
}
