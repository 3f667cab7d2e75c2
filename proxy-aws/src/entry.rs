//! Lambda events in, answers out. One binary takes every kind of event; which of them a function gets, and what it may do,
//! is the stack's to say.
//!
//! `incoming` tells what an event is, `notice` what S3 says in it and `told` what we have said ourselves (all pure); `http`,
//! `uploads`, `events` and `sweep` do the work.

mod events;
mod http;
mod incoming;
mod metric;
mod notice;
mod sweep;
mod told;
mod uploads;

use std::time::Duration;

use axum::Router;
use common::error::{Error, Result, internal};
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use crate::operator::Operator;

pub use self::{
    events::Events,
    incoming::{Delivered, Delivery, Incoming, Message},
    notice::Notice,
    sweep::Sweep,
    told::Told,
    uploads::Uploads,
};

/// Everything that a function may be asked.
#[derive(Clone)]
#[allow(missing_docs)]
pub struct Entry {
    /// The routes of every front, wrapped.
    pub routes: Router,
    pub uploads: Uploads,
    pub events: Events,
    pub sweep: Sweep,
    /// Whose files this function goes by.
    pub operator: Option<Operator>,
    /// What is kept of an invocation: a claim lives until its very end, the work has to end this much earlier.
    pub grace: Duration,
}

/// Names the messages that are to come back; the event source mapping needs `ReportBatchItemFailures` for it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchAnswer {
    batch_item_failures: Vec<ItemFailure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFailure {
    item_identifier: String,
}

impl Entry {
    /// Answers one event.
    ///
    /// # Errors
    /// The invocation's failure, by the problem's name: Lambda counts it, and tries again what nobody waits for.
    pub async fn handle(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>, Diagnostic> {
        self.answer(&event).await.map_err(|error| {
            let cause = error.causes();
            tracing::error!(%error, cause, "the event was refused");
            Diagnostic { error_type: error.kind().slug().to_owned(), error_message: error.message().to_owned() }
        })
    }

    async fn answer(&self, event: &LambdaEvent<Box<RawValue>>) -> Result<Box<RawValue>> {
        let (payload, context) = (event.payload.get(), &event.context);
        let time_left = self.time_left(context);
        let deadline = Instant::now() + time_left;
        let incoming = Incoming::read(payload)?;
        if let Some(operator) = &self.operator {
            operator.refresh().await;
        }
        match incoming {
            Incoming::Http => {
                let event = LambdaEvent { payload, context: context.clone() };
                http::answer(self.routes.clone(), event, time_left).await
            }
            Incoming::Queue { uploads, events } => {
                let failed = tokio::join!(self.uploads.queue(uploads, deadline), self.events.queue(events, deadline));
                let failures = failed
                    .0
                    .into_iter()
                    .chain(failed.1)
                    .map(|item_identifier| ItemFailure { item_identifier })
                    .collect();
                to_raw_value(&BatchAnswer { batch_item_failures: failures }).map_err(internal)
            }
            Incoming::Notices(notices) => nothing(self.uploads.directly(notices, &context.request_id, deadline).await),
            Incoming::Events(told) => nothing(self.events.directly(told, deadline).await),
            Incoming::Schedule => nothing(self.sweep.run(deadline).await),
        }
    }

    /// Until Lambda ends the invocation, less the grace.
    fn time_left(&self, context: &Context) -> Duration {
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or_default();
        Duration::from_millis(context.deadline.saturating_sub(now)).saturating_sub(self.grace)
    }
}

fn nothing(done: Result<(), Error>) -> Result<Box<RawValue>> {
    done?;
    to_raw_value(&()).map_err(internal)
}
