//! Declarers that call the service itself, in this process.

use std::{path::Path, sync::atomic::Ordering::Relaxed, time::Duration};

use cloakroom::{
    domain::{metadata::Metadata, path::VaultPath, quota::Limits, upload::Method},
    objects::ContentType,
    service::{Broker, Caller, Error, idempotency::Reply, uploads::DeclareUpload},
};
use tokio::runtime::{Handle, Runtime};

use crate::{
    inside::Inside,
    quotas::{Answer, DECLARERS, Declarer, Reach, SIZE},
};

pub(crate) struct Direct {
    inside: Inside,
    runtime: Handle,
}

impl Direct {
    pub(crate) fn open(runtime: &Runtime, folder: &Path) -> Self {
        let inside = runtime.block_on(Inside::open(&folder.join("direct"), ([127, 0, 0, 1], 1).into()));
        Self { inside, runtime: runtime.handle().clone() }
    }

    /// A new tenant of whom this much is declared already.
    async fn tenant(&self, limit: Option<u64>, before: Option<u64>) -> Caller {
        let (broker, operator) = (&self.inside.broker, self.inside.caller(&self.inside.operator).await);
        let tenant = broker.create_tenant(&operator, "Crowd".into(), &Reply::unkept()).await.unwrap();
        if limit.is_some() {
            broker.set_quota(&operator, tenant.tenant.id, Limits { bytes: limit, objects: None }).await.unwrap();
        }
        let caller = self.inside.caller(&tenant).await;
        if let Some(size) = before {
            broker.declare_upload(&caller, wanted(size, Method::Put), &Reply::unkept()).await.unwrap();
        }
        caller
    }
}

fn wanted(size: u64, method: Method) -> DeclareUpload {
    DeclareUpload {
        path: VaultPath::parse("docs/report.pdf").unwrap(),
        overwrite: false,
        size,
        content_type: ContentType::parse("application/pdf").unwrap(),
        sha256: None,
        method,
        part_checksums: false,
        expires_in: Duration::from_secs(600),
        metadata: Metadata::default(),
    }
}

impl Reach for Direct {
    type Declarer = Inner;

    fn declarers(&self, tenants: usize, limit: Option<u64>, before: Option<u64>) -> Vec<Inner> {
        let broker = &self.inside.broker;
        let callers: Vec<_> = (0..tenants).map(|_| self.runtime.block_on(self.tenant(limit, before))).collect();
        let callers = callers.iter().cycle().take(DECLARERS);
        callers.map(|caller| Inner { broker: broker.clone(), caller: caller.clone() }).collect()
    }

    fn counts(&self) -> (Option<usize>, Option<f64>) {
        (Some(self.inside.commits.stale.load(Relaxed)), None)
    }
}

pub(crate) struct Inner {
    broker: Broker,
    caller: Caller,
}

impl Declarer for Inner {
    async fn declare(&mut self) -> Answer {
        match self.broker.declare_upload(&self.caller, wanted(SIZE, Method::Put), &Reply::unkept()).await {
            Ok(_) => Answer::Granted,
            Err(Error::QuotaExceeded { .. }) => Answer::Full,
            Err(Error::Busy) => Answer::Busy,
            Err(fault) => panic!("{fault}"),
        }
    }
}
