//! ONNX Runtime, loaded once per process from its library, and sessions on it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use common::error::{Error, Kind, Result};
use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{Session, builder::GraphOptimizationLevel},
};

/// The library stays loaded as long as the process lives: it cannot be taken out again safely.
static LOADED: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads the library, or gives what was loaded before, whatever its path was.
pub(crate) fn load(library: &Path) -> Result<Environment> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = loaded.as_ref() {
        return Ok(environment.clone());
    }
    let unusable = |cause: String| {
        let hint = "it needs version 1.24 or later for this machine; `crosslens model pull` fetches one";
        Error::new(Kind::Unavailable, format!("ONNX Runtime at {} cannot be loaded: {hint}", library.display()))
            .because(cause)
    };
    let builder = ort::init_from(library).map_err(|error| unusable(error.to_string()))?;
    let log = |level: LogLevel, _: &str, _: &str, _: &str, message: &str| match level {
        LogLevel::Error | LogLevel::Fatal => tracing::warn!("onnxruntime: {message}"),
        _ => tracing::debug!("onnxruntime: {message}"),
    };
    let builder = builder.with_name("crosslens").with_telemetry(false).with_logger(Arc::new(log));
    let environment = builder.build().map_err(|error| unusable(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    *loaded = Some(environment.clone());
    Ok(environment)
}

/// Opens a model for one thread at a time. The session keeps the memory that a picture took for the next one: given back and
/// taken anew from whatever thread runs it, it would grow with the number of threads.
pub(crate) fn session(environment: &Environment, model: &Path) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .commit_from_file(model)
}
