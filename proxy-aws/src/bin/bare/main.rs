//! The least that answers a picture with these clients: the calls that one image takes, in their order, and nothing around them.
//! What `bench lambda` compares a warm request with. Nobody deploys it.

mod config;

use std::{
    collections::HashMap,
    error,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use aws_sdk_sns::types::PublishBatchRequestEntry;
use lambda_http::{Body, Request, Response, service_fn};
use proxy_aws::clients::Clients;

use config::Config;

type Fault = Box<dyn error::Error + Send + Sync>;
type Item = HashMap<String, AttributeValue>;

/// The clients, where they call, and how many pictures there were.
struct Bare {
    clients: Clients,
    http: reqwest::Client,
    config: Config,
    number: AtomicUsize,
}

impl Bare {
    fn item(kind: &str, number: usize, body: &str) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let pk = format!("bare-{kind}-{number}");
        HashMap::from([("pk".to_owned(), text(&pk)), ("sk".to_owned(), text("-")), ("body".to_owned(), text(body))])
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, Fault> {
        let put = Put::builder().table_name(&self.config.table).set_item(Some(item)).build()?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    async fn answer(&self, request: Request) -> Result<Response<Body>, Fault> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let picture = request.into_body().to_vec();
        let claim = self.clients.dynamodb.put_item().table_name(&self.config.table);
        claim.set_item(Some(Self::item("claim", number, "-"))).send().await?;
        let known = self.clients.dynamodb.query().table_name(&self.config.table).key_condition_expression("pk = :pk");
        known.expression_attribute_values(":pk", AttributeValue::S(number.to_string())).send().await?;
        let asked = self.http.post(&self.config.detect).header("content-type", "image/jpeg").body(picture);
        let answer = asked.send().await?.text().await?;
        let rows = [("request", &*answer), ("digest", &*answer), ("event", &*answer)];
        let rows = rows.map(|(kind, body)| self.put(Self::item(kind, number, body)));
        let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.clients.dynamodb.transact_write_items().set_transact_items(Some(rows)).send().await?;
        let event = PublishBatchRequestEntry::builder().id("0").message(&answer).build()?;
        let told = self.clients.sns.publish_batch().topic_arn(&self.config.topic);
        told.publish_batch_request_entries(event).send().await?;
        let end = self.clients.dynamodb.put_item().table_name(&self.config.table);
        end.set_item(Some(Self::item("event", number, "-"))).send().await?;
        Ok(Response::new(answer.into()))
    }
}

async fn run() -> Result<(), Fault> {
    common::http::use_ring();
    let bare = Bare {
        clients: Clients::from_environment().await,
        http: reqwest::Client::new(),
        config: Config::from_environment()?,
        number: AtomicUsize::new(0),
    };
    let bare = &bare;
    lambda_http::run(service_fn(async |request: Request| bare.answer(request).await)).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run().await.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}
