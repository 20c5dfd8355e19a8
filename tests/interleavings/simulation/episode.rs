//! One episode: what clients ask of some shares through several replicas, in the order that a seed gives, until nothing is left to be
//! answered; and what must be true of it then.
//!
//! Never here: a thread, the time of day, or anything else that the seed does not decide.

use std::{
    collections::BTreeMap,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use cloakroom::{
    crypto::{claim::ClaimKey, secret::SecretText},
    domain::{
        ids::{RequestId, ShareId},
        instant::Instant,
        metadata::Metadata,
        path::PathPin,
        permission::SharePermission,
        restrictions::Restrictions,
        share::Pins,
        tenant::{Mode, Namespace},
    },
    entropy::Entropy,
    service::{Asking as Request, Broker, Caller, Error, idempotency::Reply, shares::MintShare},
};

use super::{
    chance::{Chance, SeededEntropy},
    history::{Asked, Asking, Claimant, Promised, Told, is_explained},
    replica::{Shared, SkewedClock, TrueTime, started},
    wire::Traffic,
};

const REPLICAS: usize = 3;
const CLAIMANTS: usize = 3;
/// How much is asked in an episode, and at most of one share.
const QUESTIONS: usize = 60;
const QUESTIONS_OF_A_SHARE: usize = 18;
/// How far a clock may be ahead of another.
const SKEW_MILLIS: u64 = 4_000;
const BEGINNING: u64 = 1_800_000_000_000;

/// What became of an episode, to be compared and counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub steps: u64,
    pub crashes: u64,
    /// How often what was answered.
    pub answers: BTreeMap<&'static str, u64>,
    pub traffic: Traffic,
    /// Of all that was asked and answered, in its order.
    pub digest: u64,
}

/// A share, as its clients know it.
struct Known {
    id: ShareId,
    token: String,
    promised: Promised,
    history: Vec<Asking>,
    /// Questions that nobody has answered yet count, too.
    asked: usize,
    credentials: Vec<(Claimant, String, Instant)>,
    offers: Vec<(Claimant, String, Instant)>,
}

/// What a replica answers.
enum Answer {
    Minted(Box<Known>),
    Opened { token: String, expires_at: Instant, until: Instant },
    LetIn(Option<(String, Instant)>),
    Told(Told),
    Nothing,
}

type Work = Pin<Box<dyn Future<Output = Answer>>>;

/// What is asked: of the share with this number, if it is one.
struct Question {
    share: Option<(usize, Asked)>,
    replica: usize,
    begun: u64,
    from: Instant,
    /// Not looked at before this step: its process stands still.
    paused_until: u64,
    work: Work,
}

pub struct Episode {
    chance: Chance,
    shared: Shared,
    time: TrueTime,
    replicas: Vec<Broker>,
    caller: Caller,
    namespace: Namespace,
    shares: Vec<Known>,
    questions: Vec<Question>,
    left: usize,
    outcome: Outcome,
}

impl Episode {
    /// The world of this seed, with one tenant in it. Its disk stays empty.
    pub async fn of(seed: u64, folder: &Path) -> Self {
        let mut chance = Chance::of(seed);
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::of(chance.draw()));
        let time = Arc::new(AtomicU64::new(BEGINNING));
        let shared = Shared::new(entropy, skewed(&time, &mut chance), folder);
        let replicas: Vec<_> = (0..REPLICAS).map(|_| started(&shared, skewed(&time, &mut chance))).collect();
        let created = replicas[0].create_first_tenant("First".into()).await.unwrap();
        let secret = SecretText::new(created.admin_key.secret.expose());
        let caller = replicas[0].authenticate(&secret, request()).await.unwrap();
        shared.wire.be_reliable(false);
        Self {
            chance,
            shared,
            time,
            replicas,
            caller,
            namespace: Namespace { tenant: created.tenant.id, mode: Mode::Live },
            shares: Vec::new(),
            questions: Vec::new(),
            left: QUESTIONS,
            outcome: Outcome::default(),
        }
    }

    /// Goes through it.
    ///
    /// # Panics
    /// When a promise is broken.
    pub async fn play(mut self) -> Outcome {
        while self.left > 0 || !self.questions.is_empty() {
            self.outcome.steps += 1;
            assert!(self.outcome.steps < 1_000_000, "it does not end");
            match self.chance.below(100) {
                0..45 => {
                    self.shared.wire.deliver_one(&mut self.chance);
                    self.look_at_one();
                }
                45..85 => self.look_at_one(),
                85..91 => self.ask(),
                91..95 => self.shared.wire.deliver_late(&mut self.chance),
                95..98 => self.pass_time().await,
                98 => self.pause(),
                _ if self.chance.is_one_in(4) => self.crash(),
                _ => {}
            }
        }
        self.end().await
    }

    /// Somebody's turn, if it is not paused.
    fn look_at_one(&mut self) {
        if self.questions.is_empty() {
            return;
        }
        let at = self.chance.below(self.questions.len());
        let question = &mut self.questions[at];
        if self.outcome.steps < question.paused_until {
            return;
        }
        if let Poll::Ready(answer) = question.work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let question = self.questions.swap_remove(at);
            self.answered(question, answer);
        }
    }

    fn answered(&mut self, question: Question, answer: Answer) {
        let Question { share, replica, begun, from, .. } = question;
        let Some((number, asked)) = share else {
            if let Answer::Minted(known) = answer {
                self.shares.push(*known);
            }
            return;
        };
        let share = &mut self.shares[number];
        let told = match answer {
            Answer::Told(told) => told,
            Answer::Opened { token, expires_at, until } => {
                share.credentials.extend(asked.claimant().map(|claimant| (claimant, token, expires_at)));
                Told::Opened { until }
            }
            Answer::LetIn(offer) => {
                let offer = asked.claimant().zip(offer);
                share.offers.extend(offer.map(|(claimant, (token, until))| (claimant, token, until)));
                Told::LetIn
            }
            Answer::Minted(_) | Answer::Nothing => Told::Nothing,
        };
        // What nobody was told may come true at any time.
        let ended = if told == Told::Nothing { u64::MAX } else { self.outcome.steps };
        self.told(number, Asking { asked, told, begun, ended, from, to: self.replicas[replica].now() });
    }

    fn told(&mut self, number: usize, asking: Asking) {
        *self.outcome.answers.entry(asking.name()).or_default() += 1;
        let happened = format!("{number} {asking:?}");
        self.outcome.digest = happened.bytes().fold(self.outcome.digest, |digest, byte| {
            (digest.rotate_left(5) ^ u64::from(byte)).wrapping_mul(0x517c_c1b7_2722_0a95)
        });
        self.shares[number].history.push(asking);
    }

    /// Somebody asks something.
    fn ask(&mut self) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let replica = self.chance.below(REPLICAS);
        let broker = self.replicas[replica].clone();
        let open: Vec<_> =
            (0..self.shares.len()).filter(|number| self.shares[*number].asked < QUESTIONS_OF_A_SHARE).collect();
        let (share, work) = match self.chance.one_of(&open) {
            _ if self.chance.is_one_in(8) => (None, chain(broker, self.namespace)),
            Some(number) if !self.chance.is_one_in(10) => {
                let number = *number;
                self.shares[number].asked += 1;
                let (asked, work) = self.about(number, broker);
                (Some((number, asked)), work)
            }
            _ => (None, self.mint(broker)),
        };
        let (begun, from) = (self.outcome.steps, self.replicas[replica].now());
        self.questions.push(Question { share, replica, begun, from, paused_until: 0, work });
    }

    /// Something about this share.
    fn about(&mut self, number: usize, broker: Broker) -> (Asked, Work) {
        let share = &self.shares[number];
        let claimant = self.chance.below(CLAIMANTS) as Claimant;
        let key = || claim_key(claimant);
        match self.chance.below(10) {
            0 => (Asked::Revoke, revoke(broker, self.caller.clone(), share.id)),
            1..4 if !share.credentials.is_empty() => {
                let (claimant, token, until) = &share.credentials[self.chance.below(share.credentials.len())];
                let is_offering = self.chance.is_one_in(2);
                let asked = Asked::Enter { claimant: *claimant, until: *until };
                (asked, enter(broker, token.clone(), is_offering.then(|| claim_key(*claimant))))
            }
            4..6 if !share.offers.is_empty() => {
                let (from, token, until) = &share.offers[self.chance.below(share.offers.len())];
                let asked = Asked::Follow { from: *from, to: claimant, until: *until };
                (asked, redeem(broker, token.clone(), key()))
            }
            _ => (Asked::Redeem(claimant), redeem(broker, share.token.clone(), key())),
        }
    }

    fn mint(&mut self, broker: Broker) -> Work {
        let now = broker.now();
        let opens_at = self.chance.is_one_in(4).then(|| now.plus(Duration::from_millis(self.chance.between(1, 5_000))));
        let expires_at = now.plus(Duration::from_millis(self.chance.between(10_000, 60_000)));
        let access_seconds = if self.chance.is_one_in(3) { 3_600 } else { self.chance.between(20, 120) };
        let redemptions = self.chance.between(1, 2) as u32;
        let wanted = MintShare {
            pins: Pins::new(vec![PathPin::parse("docs/").unwrap()]).unwrap(),
            permission: SharePermission::Read,
            expires_at,
            access_seconds,
            label: None,
            metadata: Metadata::default(),
            message: None,
            not_before: opens_at,
            redemptions,
            restrictions: Restrictions::default(),
            recipients: None,
            allow_missing: true,
        };
        let promised = Promised {
            opens_at: opens_at.unwrap_or(Instant::from_unix_millis(0)),
            expires_at,
            access_millis: access_seconds * 1_000,
            redemptions: redemptions as usize,
        };
        let caller = self.caller.clone();
        Box::pin(async move {
            match broker.mint_share(&caller, wanted, &Reply::unkept()).await {
                Ok(minted) => Answer::Minted(Box::new(Known {
                    id: minted.share.grant.id,
                    token: minted.token.expose().to_owned(),
                    promised,
                    history: Vec::new(),
                    asked: 0,
                    credentials: Vec::new(),
                    offers: Vec::new(),
                })),
                Err(_) => Answer::Nothing,
            }
        })
    }

    async fn pass_time(&mut self) {
        let millis = match self.chance.below(200) {
            // Credentials and offers end.
            0 => self.chance.between(60_000, 1_000_000),
            1..5 => self.chance.between(1_000, 30_000),
            _ => self.chance.between(1, 400),
        };
        self.time.fetch_add(millis, Ordering::SeqCst);
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    /// A process stands still for a while.
    fn pause(&mut self) {
        if !self.questions.is_empty() {
            let at = self.chance.below(self.questions.len());
            self.questions[at].paused_until = self.outcome.steps + self.chance.between(10, 1_000);
        }
    }

    /// A replica is gone, with all it was asked, and comes back with another idea of the time. What it had sent is on its way.
    fn crash(&mut self) {
        self.outcome.crashes += 1;
        let crashed = self.chance.below(REPLICAS);
        let (gone, left) = std::mem::take(&mut self.questions).into_iter().partition(|asked| asked.replica == crashed);
        self.questions = left;
        for question in gone {
            self.answered(question, Answer::Nothing);
        }
        let clock = skewed(&self.time, &mut self.chance);
        self.replicas[crashed] = started(&self.shared, clock);
    }

    /// Everything has been answered that ever will be.
    async fn end(mut self) -> Outcome {
        for share in &self.shares {
            assert!(is_explained(&share.promised, &share.history), "{:?}\n{:#?}", share.promised, share.history);
        }
        self.shared.wire.settle(&mut self.chance);
        self.shared.wire.be_reliable(true);
        let clock = Arc::new(SkewedClock { time: self.time.clone(), ahead: SKEW_MILLIS });
        let broker = started(&self.shared, clock);
        let verified = broker.verify_ledger(&self.caller, None).await.unwrap();
        assert_eq!(verified.broken, None);
        assert!(verified.redemptions.is_some() && verified.next_cursor.is_none(), "{verified:?}");
        self.outcome.traffic = self.shared.wire.traffic();
        self.outcome
    }
}

/// A clock that is ahead of the time by something else than that of others.
fn skewed(time: &TrueTime, chance: &mut Chance) -> Arc<SkewedClock> {
    Arc::new(SkewedClock { time: time.clone(), ahead: chance.between(0, SKEW_MILLIS) })
}

fn request() -> Request {
    Request::here(RequestId::from_bytes([7; 16]))
}

fn claim_key(claimant: Claimant) -> ClaimKey {
    let letter = char::from(b'a' + claimant);
    ClaimKey::parse(&SecretText::new(format!("{}A", letter.to_string().repeat(42)))).unwrap()
}

fn redeem(broker: Broker, token: String, key: ClaimKey) -> Work {
    Box::pin(async move {
        match broker.redeem_share(&SecretText::new(token), &key, None, request()).await {
            Ok(opened) => Answer::Opened {
                token: opened.token.expose().to_owned(),
                expires_at: opened.expires_at,
                until: opened.access_until,
            },
            Err(Error::DeadToken) => Answer::Told(Told::Dead),
            Err(Error::NotYet { .. }) => Answer::Told(Told::NotYet),
            Err(_) => Answer::Nothing,
        }
    })
}

/// Enters, and offers to go on elsewhere where there is a claim key.
fn enter(broker: Broker, token: String, key: Option<ClaimKey>) -> Work {
    Box::pin(async move {
        let session = match broker.session(&SecretText::new(token), request()).await {
            Ok(session) => session,
            Err(Error::NoSession) => return Answer::Told(Told::KeptOut),
            Err(_) => return Answer::Nothing,
        };
        let offered = match key {
            Some(key) => broker.offer_move(&session, &key).await.ok(),
            None => None,
        };
        Answer::LetIn(offered.map(|offered| (offered.token.expose().to_owned(), offered.expires_at)))
    })
}

fn revoke(broker: Broker, caller: Caller, share: ShareId) -> Work {
    Box::pin(async move {
        match broker.revoke_share(&caller, share).await {
            Ok(_) => Answer::Told(Told::Revoked),
            Err(_) => Answer::Nothing,
        }
    })
}

fn chain(broker: Broker, namespace: Namespace) -> Work {
    Box::pin(async move {
        let _whoever_chains_next_goes_on = broker.chain(namespace).await;
        Answer::Nothing
    })
}
