//! Filling a fresh generation as fast as Postgres goes: indexes after the rows, and no commit waits for the disk.
//!
//! Nobody reads these tables before the switch, whose commit does wait: the write-ahead log up to it is then on disk, and
//! with it every row. A crash, an error or a cancel leaves a schema that the pointer does not name.

use crate::apply::{Applier, Counts};
use crate::fault::fault;
use crate::schema::{run, set};
use crate::server::Server;
use crate::statements;
use projector::query::Pending;
use projector::{Batch, Consumer, Error, Progress, Sink, Stage, pump};
use sqlx::{Connection as _, PgConnection};

/// A generation under construction, entered on `connection`.
pub(crate) struct Load<'p> {
    pub(crate) connection: PgConnection,
    pub(crate) applier: Applier,
    counts: Counts,
    head: u64,
    progress: &'p mut (dyn FnMut(Progress) + Send),
}

/// Fills the empty tables that `connection` has entered from the records that `consumer` gives, up to the log's end.
pub(crate) async fn load<'a, 'p>(
    server: &Server,
    mut connection: PgConnection,
    generation: i64,
    mut consumer: Consumer<'a>,
    progress: &'p mut (dyn FnMut(Progress) + Send),
) -> Result<(Consumer<'a>, Load<'p>), Error> {
    for (name, value) in [("synchronous_commit", "off"), ("maintenance_work_mem", "128MB")] {
        set(&mut connection, name, value).await?;
    }
    let schema = server.generation(generation);
    let indexes = drop_late_indexes(&mut connection, &schema).await?;
    let mut load = Load {
        applier: Applier::open(&mut connection).await?,
        connection,
        counts: Counts::AtTheEnd,
        head: consumer.head(),
        progress,
    };
    while consumer.position() < load.head {
        let until = load.head;
        consumer = pump(consumer, &mut load, until).await?;
        load.head = consumer.refresh_head().await?;
    }
    load.applier.finish(&mut load.connection).await?;
    for index in indexes {
        load.report(Stage::Indexing, consumer.position());
        run(&mut load.connection, index).await?;
    }
    let analyze = sqlx::query(statements::ANALYZE).execute(&mut load.connection);
    analyze.await.map_err(fault)?;
    load.counts = Counts::EachBatch;
    Ok((consumer, load))
}

/// Drops every index that the rows can do without, and returns what creates them again.
async fn drop_late_indexes(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>, Error> {
    let indexes = sqlx::query_as(statements::SELECT_LATE_INDEXES).bind(schema);
    let indexes: Vec<(String, String)> = indexes.fetch_all(&mut *connection).await.map_err(fault)?;
    let mut texts = Vec::with_capacity(indexes.len());
    for (name, text) in indexes {
        // Names and texts are those of our own migrations, just run in this schema.
        run(connection, format!("DROP INDEX {schema}.{name}")).await?;
        texts.push(text);
    }
    Ok(texts)
}

impl Load<'_> {
    fn report(&mut self, stage: Stage, position: u64) {
        let head = self.head.max(position);
        (self.progress)(Progress { stage, position, head });
    }

    async fn apply_on(&mut self, batch: Batch) -> Result<(), Error> {
        let mut transaction = self.connection.begin().await.map_err(fault)?;
        self.applier.apply(&mut transaction, batch, self.counts).await?;
        transaction.commit().await.map_err(fault)
    }
}

impl Sink for Load<'_> {
    fn apply(&mut self, batch: Batch) -> Pending<'_, ()> {
        Box::pin(async move {
            let until = batch.until;
            self.apply_on(batch).await?;
            if self.counts == Counts::AtTheEnd {
                self.report(Stage::Loading, until);
            }
            Ok(())
        })
    }
}
