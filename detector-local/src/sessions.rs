//! As many sessions as there are cores, each used by one picture at a time; all but the first are opened when they are
//! first needed, because an idle process should be small.

use std::{
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use common::error::{Error, Kind, Result};
use ort::{environment::Environment, session::Session, value::TensorRef};

use crate::{
    model::{Model, Preparation, invalid},
    runtime,
};

/// Opens, lends and takes back sessions of one model.
#[derive(Debug)]
pub(crate) struct Sessions {
    environment: Environment,
    path: PathBuf,
    preparation: Preparation,
    classes: usize,
    idle: Mutex<Vec<Worker>>,
}

/// A session and the memory of its input.
#[derive(Debug)]
struct Worker {
    session: Session,
    input: Vec<f32>,
}

impl Sessions {
    /// Opens the first session. A user's own model is tried on a grey picture, to see that it fits its labels.
    pub(crate) fn open(model: &Model, prepare: impl FnOnce(&Session) -> Result<Preparation>) -> Result<Self> {
        let environment = runtime::load(&model.runtime.path)?;
        let session = runtime::session(&environment, model.path()).map_err(|cause| unreadable(model, cause))?;
        let preparation = prepare(&session)?;
        let (path, classes) = (model.path().to_owned(), model.labels.len());
        let sessions = Self { environment, path, preparation, classes, idle: Mutex::new(Vec::new()) };
        let mut worker = Worker { session, input: Vec::new() };
        if model.own {
            let count = preparation.shape().iter().product();
            let scores = worker.run(&preparation, &vec![127; count]).map_err(|cause| unreadable(model, cause))?;
            if scores.len() != classes {
                return Err(invalid(format!(
                    "the model tells {} classes apart and the label file names {classes}; they must be as many, in the model's order",
                    scores.len()
                )));
            }
        }
        sessions.give_back(worker);
        Ok(sessions)
    }

    pub(crate) fn preparation(&self) -> &Preparation {
        &self.preparation
    }

    /// One score between 0 and 1 for each class. Blocks for as long as the model takes.
    pub(crate) fn classify(&self, rgb: &[u8]) -> Result<Vec<f32>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = match idle {
            Some(worker) => worker,
            None => {
                Worker { session: runtime::session(&self.environment, &self.path).map_err(failed)?, input: Vec::new() }
            }
        };
        let scores = worker.run(&self.preparation, rgb).map_err(failed)?;
        self.give_back(worker);
        if scores.len() != self.classes || !scores.iter().all(|score| score.is_finite()) {
            return Err(Error::new(Kind::DetectorFailed, "the model gave no usable scores"));
        }
        Ok(match self.preparation.softmax {
            Some(true) => softmax(&scores),
            None if !is_distribution(&scores) => softmax(&scores),
            _ => scores.into_iter().map(|score| score.clamp(0.0, 1.0)).collect(),
        })
    }

    fn give_back(&self, worker: Worker) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }
}

impl Worker {
    fn run(&mut self, preparation: &Preparation, rgb: &[u8]) -> Result<Vec<f32>, ort::Error> {
        preparation.fill(rgb, &mut self.input);
        let input = TensorRef::from_array_view((preparation.shape(), self.input.as_slice()))?;
        let outputs = self.session.run(ort::inputs![input])?;
        let output = outputs.values().next().ok_or_else(|| ort::Error::new("the model has no output"))?;
        let (_, scores) = output.try_extract_tensor::<f32>()?;
        Ok(scores.to_vec())
    }
}

/// Whether these are probabilities already.
fn is_distribution(scores: &[f32]) -> bool {
    scores.iter().all(|score| (0.0..=1.0).contains(score)) && (scores.iter().sum::<f32>() - 1.0).abs() < 1e-3
}

/// Logits to probabilities; the largest is taken off first, so that nothing overflows.
fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f32> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn failed(cause: ort::Error) -> Error {
    Error::new(Kind::DetectorFailed, "the model failed on this picture").because(cause)
}

fn unreadable(model: &Model, cause: ort::Error) -> Error {
    let path = model.path().display();
    if model.own {
        return invalid(format!("{path} cannot be run as an ONNX classifier; it must be a whole ONNX file with 32-bit float pictures as its input"))
            .because(cause);
    }
    let message = format!("the embedded model at {path} cannot be run; fetch it anew with `crosslens model pull`");
    Error::new(Kind::Unavailable, message).because(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_is_a_distribution_whatever_the_logits() {
        for logits in [[0.0, 0.0], [1000.0, 999.0], [-1e30, 1e30]] {
            assert!(is_distribution(&softmax(&logits)), "{logits:?}");
        }
        assert!(!is_distribution(&[0.5, 0.2]));
    }
}
