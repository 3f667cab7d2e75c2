//! Jobs in the ledger's table: one row each, under one partition key, so that all of them are one query.

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValue},
};
use common::error::{Error, Kind, Result, internal};
use jiff::Timestamp;

use super::{Job, Jobs, State};
use crate::refusals::refused;

const PARTITION: &str = "job";
/// Milliseconds without a word after which a process counts as dead.
const SILENCE: i64 = 60_000;

/// The jobs of a table, held by this process where it holds any.
#[derive(Debug, Clone)]
pub struct DynamoJobs {
    dynamodb: Client,
    table: String,
    holder: String,
}

/// A job as others see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// How far it is.
    pub job: Job,
    /// What is wanted of it.
    pub state: State,
    /// Whether a process holds it and has said so within the last minute.
    pub held: bool,
}

impl DynamoJobs {
    /// The jobs of this table.
    pub fn new(dynamodb: Client, table: String) -> Self {
        Self { dynamodb, table, holder: uuid::Uuid::new_v4().to_string() }
    }

    /// Begins a job and holds it. A name is free again when its job is done or cancelled.
    pub async fn begin(&self, job: &Job) -> Result<()> {
        let update =
            self.update(&job.name).update_expression("SET #job = :job, #state = :running, #holder = :me, #beat = :now");
        let update = update.condition_expression("attribute_not_exists(pk) OR #state IN (:done, :cancelled)");
        let update = self.with(update, job)?.expression_attribute_values(":running", text(State::Running.name()));
        let update = update.expression_attribute_values(":done", text(State::Done.name()));
        let update = update.expression_attribute_values(":cancelled", text(State::Cancelled.name()));
        update.send().await.map_err(|error| {
            let taken = "is not over; resume or cancel it, or give this one a name with --name";
            conditional(error, Kind::InvalidRequest, &format!("the job {} {taken}", job.name))
        })?;
        Ok(())
    }

    /// Goes on with a job that is paused, or whose process has died, and holds it.
    pub async fn resume(&self, name: &str) -> Result<Job> {
        let free = "(attribute_not_exists(#holder) OR #beat < :silent)";
        let update = self.update(name).update_expression("SET #state = :running, #holder = :me, #beat = :now");
        let update = update.condition_expression(format!("#state IN (:paused, :running) AND {free}"));
        let update = names(update, &["state", "holder", "beat"]);
        let update = update.expression_attribute_values(":me", text(&self.holder));
        let update = update.expression_attribute_values(":now", number(now()));
        let update = update.expression_attribute_values(":silent", number(now() - SILENCE));
        let update = update.expression_attribute_values(":paused", text(State::Paused.name()));
        let update = update.expression_attribute_values(":running", text(State::Running.name()));
        let updated = update.return_values(ReturnValue::AllNew).send().await.map_err(|error| {
            let why = "is over or unknown, or a process works on it or died less than a minute ago";
            conditional(error, Kind::InvalidRequest, &format!("the job {name} {why}; see `backfill status`"))
        })?;
        let seen = updated.attributes.as_ref().map(seen);
        seen.ok_or_else(|| internal("DynamoDB gave no item back"))?.map(|seen| seen.job)
    }

    /// Tells whoever holds a job what is wanted of it now.
    pub async fn order(&self, name: &str, wanted: State) -> Result<()> {
        let update = self.update(name).update_expression("SET #state = :wanted");
        let update = update.condition_expression("#state IN (:paused, :running)");
        let update = names(update, &["state"]);
        let update = update.expression_attribute_values(":wanted", text(wanted.name()));
        let update = update.expression_attribute_values(":paused", text(State::Paused.name()));
        let update = update.expression_attribute_values(":running", text(State::Running.name()));
        update.send().await.map_err(|error| {
            conditional(error, Kind::NotFound, &format!("there is no job {name} that is running or paused"))
        })?;
        Ok(())
    }

    /// All jobs, by name.
    pub async fn all(&self) -> Result<Vec<Seen>> {
        let query = self.dynamodb.query().table_name(&self.table).consistent_read(true);
        let query = query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text(PARTITION));
        let mut items = query.into_paginator().items().send();
        let mut jobs = Vec::new();
        while let Some(item) = items.next().await {
            jobs.push(seen(&item.map_err(|error| refused("the jobs cannot be read", error))?)?);
        }
        Ok(jobs)
    }

    fn update(&self, name: &str) -> UpdateItemFluentBuilder {
        self.dynamodb.update_item().table_name(&self.table).key("pk", text(PARTITION)).key("sk", text(name))
    }

    /// What every write of the holder says.
    fn with(&self, update: UpdateItemFluentBuilder, job: &Job) -> Result<UpdateItemFluentBuilder> {
        let update = names(update, &["job", "state", "holder", "beat"]);
        let update = update.expression_attribute_values(":me", text(&self.holder));
        let update = update.expression_attribute_values(":now", number(now()));
        let json = serde_json::to_string(job).map_err(internal)?;
        Ok(update.expression_attribute_values(":job", text(&json)))
    }
}

#[async_trait]
impl Jobs for DynamoJobs {
    async fn save(&self, job: &Job) -> Result<State> {
        let update = self.update(&job.name).update_expression("SET #job = :job, #beat = :now");
        let update = update.condition_expression("#holder = :me");
        let update = names(update, &["job", "holder", "beat"]);
        let update = update.expression_attribute_values(":me", text(&self.holder));
        let update = update.expression_attribute_values(":now", number(now()));
        let json = serde_json::to_string(job).map_err(internal)?;
        let update = update.expression_attribute_values(":job", text(&json)).return_values(ReturnValue::AllNew);
        let updated = update.send().await.map_err(|error| lost(error, job))?;
        let seen = updated.attributes.as_ref().map(seen);
        seen.ok_or_else(|| internal("DynamoDB gave no item back"))?.map(|seen| seen.state)
    }

    async fn release(&self, job: &Job, state: State) -> Result<()> {
        // Whatever was ordered at the last moment, a cancelled job must not be gone on with.
        let wanted = self.save(job).await?;
        let last = if wanted == State::Cancelled { wanted } else { state };
        let update =
            self.update(&job.name).update_expression("SET #state = :last, #job = :job, #beat = :now REMOVE #holder");
        let update = update.condition_expression("#holder = :me AND (#state <> :cancelled OR :last = :cancelled)");
        let update = self.with(update, job)?.expression_attribute_values(":last", text(last.name()));
        let update = update.expression_attribute_values(":cancelled", text(State::Cancelled.name()));
        update.send().await.map_err(|error| lost(error, job))?;
        Ok(())
    }
}

fn seen(item: &std::collections::HashMap<String, AttributeValue>) -> Result<Seen> {
    let strange = || Error::new(Kind::Internal, "a job of the table is not understood; is it of another version?");
    let field = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str);
    let job = serde_json::from_str(field("job").ok_or_else(strange)?).map_err(|cause| strange().because(cause))?;
    let state = field("state").and_then(State::from_name).ok_or_else(strange)?;
    let beat = item.get("beat").and_then(|value| value.as_n().ok()).and_then(|text| text.parse::<i64>().ok());
    let held = field("holder").is_some() && beat.is_some_and(|beat| beat >= now() - SILENCE);
    Ok(Seen { job, state, held })
}

/// A condition that did not hold means what `meaning` says; everything else means what it means everywhere.
fn conditional<E, R>(error: SdkError<E, R>, kind: Kind, meaning: &str) -> Error
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error.code() {
        Some("ConditionalCheckFailedException") => Error::new(kind, meaning.to_owned()),
        _ => refused("the table does not take the job", error),
    }
}

fn lost<E, R>(error: SdkError<E, R>, job: &Job) -> Error
where
    SdkError<E, R>: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    conditional(error, Kind::Unavailable, &format!("another process has taken the job {} over", job.name))
}

/// Names in expressions as `#name`, since some are words of DynamoDB's own.
fn names(mut update: UpdateItemFluentBuilder, names: &[&str]) -> UpdateItemFluentBuilder {
    for name in names {
        update = update.expression_attribute_names(format!("#{name}"), *name);
    }
    update
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}
