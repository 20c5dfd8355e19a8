//! The post: takes mails at once and sends them in the background, a few at a time, again where that may help, and
//! never beyond the life of what they say.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, sync::Semaphore, time::Instant as Moment};

use crate::{clock::Clock, entropy::Entropy};

use super::{CodeMail, Letter, Mailer, NotSent, Sender};

/// How many mails may be on their way, those that wait for another try included.
const MOST_ON_THEIR_WAY: usize = 256;

/// How many are handed over at the same time.
const AT_ONCE: usize = 4;

/// The waits before further tries.
const WAITS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(30), Duration::from_secs(120)];

/// How many mails came to what, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Handed over.
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// Not taken, since too many were on their way.
    pub dropped: u64,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Sends mails in the background.
#[derive(Clone)]
pub struct Post {
    mailer: Arc<dyn Mailer>,
    sender: Sender,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    on: Handle,
    room: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    counts: Arc<Counts>,
}

impl Post {
    /// A post that works on this runtime.
    pub fn new(
        mailer: Arc<dyn Mailer>,
        sender: Sender,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        on: Handle,
    ) -> Self {
        let (room, turns) = (Arc::new(Semaphore::new(MOST_ON_THEIR_WAY)), Arc::new(Semaphore::new(AT_ONCE)));
        Self { mailer, sender, clock, entropy, on, room, turns, counts: Arc::default() }
    }

    /// Takes a mail. `mark` says in the log which one it is, and nothing of its address.
    pub fn send(&self, mail: CodeMail, mark: String, lifetime: Duration) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::error!(mark, "a mail was not taken: too many are on their way");
            return;
        };
        let post = self.clone();
        self.on.spawn(async move {
            let until = Moment::now() + lifetime;
            match post.deliver(&mail, &mark, until).await {
                Ok(()) => {
                    post.counts.sent.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(mark, "a mail was sent");
                }
                Err(fault) => {
                    post.counts.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(mark, %fault, "a mail was given up");
                }
            }
            drop(place);
        });
    }

    async fn deliver(&self, mail: &CodeMail, mark: &str, until: Moment) -> Result<(), NotSent> {
        let letter = Letter::write(mail, &self.sender, self.clock.now(), self.entropy.as_ref())?;
        let mut waits = WAITS.iter();
        loop {
            let sent = {
                let _turn = self.turns.acquire().await;
                self.mailer.send(&letter).await
            };
            let fault = match sent {
                Err(NotSent::Later(fault)) => NotSent::Later(fault),
                done => return done,
            };
            match waits.next() {
                Some(wait) if Moment::now() + *wait < until => {
                    tracing::warn!(mark, %fault, "a mail is tried again");
                    tokio::time::sleep(*wait).await;
                }
                _ => return Err(fault),
            }
        }
    }

    /// When none is on its way any more.
    pub async fn settled(&self) {
        // It is never closed.
        drop(self.room.acquire_many(MOST_ON_THEIR_WAY as u32).await);
    }

    /// What became of mails.
    pub fn sent(&self) -> Sent {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { sent, failed, dropped } = self.counts.as_ref();
        Sent { sent: count(sent), failed: count(failed), dropped: count(dropped) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        clock::ManualClock,
        crypto::secret::SecretText,
        domain::{instant::Instant, recipient::Address},
        entropy::SystemEntropy,
    };

    /// Answers by plan, and is silent for ever when that has ended.
    struct Planned(Mutex<Vec<Result<(), NotSent>>>);

    #[async_trait]
    impl Mailer for Planned {
        async fn send(&self, _: &Letter) -> Result<(), NotSent> {
            let next = self.0.lock().unwrap().pop();
            match next {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        }
    }

    fn post(mut plan: Vec<Result<(), NotSent>>) -> Post {
        plan.reverse();
        let clock = Arc::new(ManualClock::at(Instant::from_unix_seconds(1_800_000_000)));
        let (sender, entropy) = ("noreply@example.org".parse().unwrap(), Arc::new(SystemEntropy));
        Post::new(Arc::new(Planned(Mutex::new(plan))), sender, clock, entropy, Handle::current())
    }

    fn mail() -> CodeMail {
        let to = Address::try_from("ada@example.org".to_owned()).unwrap();
        CodeMail { to, from: "First".into(), code: SecretText::new("12345678") }
    }

    const TEN_MINUTES: Duration = Duration::from_secs(600);

    fn later() -> Result<(), NotSent> {
        Err(NotSent::Later("down".into()))
    }

    async fn settled(post: &Post) -> Sent {
        post.settled().await;
        post.sent()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_down_is_asked_again_a_few_times() {
        let there_again = post(vec![later(), later(), Ok(())]);
        there_again.send(mail(), "m".into(), TEN_MINUTES);
        assert_eq!(settled(&there_again).await, Sent { sent: 1, ..Sent::default() });
        let gone = post((0..9).map(|_| later()).collect());
        gone.send(mail(), "m".into(), TEN_MINUTES);
        assert_eq!(settled(&gone).await, Sent { failed: 1, ..Sent::default() });
        let refused = post(vec![Err(NotSent::Never("no".into())), Ok(())]);
        refused.send(mail(), "m".into(), TEN_MINUTES);
        assert_eq!(settled(&refused).await, Sent { failed: 1, ..Sent::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_code_that_has_ended_is_not_sent_any_more() {
        let post = post(vec![later(), Ok(())]);
        post.send(mail(), "m".into(), Duration::from_secs(4));
        assert_eq!(settled(&post).await, Sent { failed: 1, ..Sent::default() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_hangs_holds_a_bounded_number_of_mails_and_nobody_who_sends_them() {
        let post = post(Vec::new());
        for _ in 0..MOST_ON_THEIR_WAY + 7 {
            post.send(mail(), "m".into(), TEN_MINUTES);
        }
        assert_eq!(post.sent(), Sent { dropped: 7, ..Sent::default() });
    }
}
