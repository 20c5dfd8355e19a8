//! One share as a state machine: clients that ask, replicas that read, decide and commit, a network that is late,
//! crashes, and time.
//!
//! Steps between which nobody could see anything are one: a client asks when the first row is read, a replica sends
//! when it decides, and a client hears when the replica does. An answer that is lost on its way to the client is, for
//! the client, a replica that was gone before it could answer.
//!
//! Never here: what must hold. That is in `properties.rs`.

use cloakroom::domain::{redemption::Terms, refusal::Refusal};
use stateright::{Model, Property};

use super::{
    flaws::Flaw,
    properties,
    request::{Answer, Deciding, Decision, Read, Reading, Role},
    state::{After, Client, Request, Seen, Sent, State},
    store::{Key, Outcome, Store},
};

/// A share, who handles it, and how much may happen.
#[derive(Clone)]
pub struct Share {
    pub terms: Terms,
    /// The first one mints.
    pub clients: Vec<Role>,
    /// How often each client may ask.
    pub asks: u8,
    /// The last moment.
    pub ends: u8,
    /// By how much the clocks of replicas are ahead.
    pub clocks: &'static [i8],
    /// How many answers of the store may be late or lost.
    pub faults: u8,
    /// How many requests may end with the replica that handles them.
    pub crashes: u8,
    pub flaw: Option<Flaw>,
    /// What has to be seen happening, so that the search is known not to be of nothing.
    pub shows: Vec<Property<Share>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    TimePasses,
    /// This one of the commits whose sender does not listen.
    ArrivesLate(usize),
    /// Of the client with this number, or of who handles its request.
    Of(usize, Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By way of a replica with this clock, which reads this row first.
    Asks(i8, Option<Reading>),
    Reads(Reading),
    Decides,
    /// The commit arrives, and its answer does.
    Commits,
    /// The commit arrives, its answer does not.
    LosesTheAnswer,
    /// The commit does not arrive yet, and perhaps never will.
    HoldsUp,
    /// The deadline of a commit in doubt is over.
    GivesUp,
    /// The replica is gone. What it has sent may still arrive.
    Crashes,
}

impl Model for Share {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let clients = vec![Client::default(); self.clients.len()];
        let (faults, crashes) = (self.faults, self.crashes);
        vec![State {
            now: 1,
            store: Store::default(),
            clients,
            late: Vec::new(),
            faults,
            crashes,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.now < self.ends {
            actions.push(Action::TimePasses);
        }
        actions.extend((0..state.late.len()).map(Action::ArrivesLate));
        let mut steps = Vec::new();
        for client in 0..self.clients.len() {
            match &state.clients[client].request {
                None => self.asking(state, client, &mut steps),
                Some(request) => self.handling(state, client, request, &mut steps),
            }
            actions.extend(steps.drain(..).map(|step| Action::Of(client, step)));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::TimePasses => state.now += 1,
            Action::ArrivesLate(commit) => {
                let commit = state.late.remove(commit);
                // Whoever sent it has stopped listening.
                let outcome = state.store.try_commit(&commit, self.flaw);
                state.seen.applied_late |= outcome == Outcome::Applied;
                state.seen.stale_late |= outcome == Outcome::Stale;
            }
            Action::Of(client, step) => self.step(&mut state, client, step),
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::invariants().into_iter().chain(self.shows.iter().cloned()).collect()
    }
}

impl Share {
    fn asking(&self, state: &State, client: usize, steps: &mut Vec<Step>) {
        let Client { asks, heard, .. } = &state.clients[client];
        let has_reason = match self.clients[client] {
            Role::Mints => true,
            Role::Claims { .. } | Role::Revokes => state.clients[0].heard == Some(Answer::Done),
            Role::Moves { from, .. } => state.seen.told[from.index()].is_some(),
        };
        let asks_again = matches!(heard, None | Some(Answer::Unavailable | Answer::Later | Answer::Opened(_)));
        // A share whose minting came to nothing is minted under another id.
        let most_asks = if self.clients[client] == Role::Mints { 1 } else { self.asks };
        if !has_reason || !asks_again || *asks >= most_asks {
            return;
        }
        let rows: Vec<_> = Read::default().next(self.clients[client], self.flaw).collect();
        for &clock in self.clocks {
            match rows.as_slice() {
                [] => steps.push(Step::Asks(clock, None)),
                rows => steps.extend(rows.iter().map(|row| Step::Asks(clock, Some(*row)))),
            }
        }
    }

    fn handling(&self, state: &State, client: usize, request: &Request, steps: &mut Vec<Step>) {
        match &request.sent {
            None => {
                steps.extend(request.read.next(self.clients[client], self.flaw).map(Step::Reads));
                if steps.is_empty() {
                    steps.push(Step::Decides);
                }
            }
            Some(sent) => {
                steps.push(Step::Commits);
                if state.faults > 0 {
                    steps.extend([Step::LosesTheAnswer, Step::HoldsUp]);
                }
                if sent.is_in_doubt {
                    steps.push(Step::GivesUp);
                }
            }
        }
        if state.crashes > 0 {
            steps.push(Step::Crashes);
        }
    }

    fn step(&self, state: &mut State, client: usize, step: Step) {
        match step {
            Step::Asks(clock, row) => self.ask(state, client, clock, row),
            Step::Reads(row) => self.read(state, client, row),
            Step::Decides => self.decide(state, client),
            Step::Commits => self.commit(state, client),
            Step::LosesTheAnswer => {
                state.faults -= 1;
                let commit = state.sent(client).commit;
                let _lost = state.store.try_commit(&commit, self.flaw);
                self.send_again(state, client);
            }
            Step::HoldsUp => {
                state.faults -= 1;
                let commit = state.sent(client).commit;
                state.hold(commit);
                self.send_again(state, client);
            }
            Step::GivesUp => self.answer(state, client, Answer::Unavailable),
            Step::Crashes => {
                state.crashes -= 1;
                if let Some(Request { sent: Some(sent), .. }) = state.clients[client].request.take() {
                    state.hold(sent.commit);
                }
            }
        }
    }

    fn ask(&self, state: &mut State, client: usize, clock: i8, row: Option<Reading>) {
        let own = self.clients[client].key();
        let is_let_in = |key: Key| state.seen.told[key.index()].is_some();
        let goes_on = |role: &Role| role.from() == own && role.key().is_some_and(is_let_in);
        let after = After {
            revocation: self.is_revoked(state),
            moving: own.is_some() && self.clients.iter().any(goes_on),
            claim: own.is_some_and(|key| state.store.claim(key).is_some()),
        };
        let request = Request { clock, after, read: Read::default(), sent: None };
        state.clients[client].asks += 1;
        state.clients[client].request = Some(request);
        if let Some(row) = row {
            self.read(state, client, row);
        }
    }

    /// Whether a revocation was acknowledged.
    pub fn is_revoked(&self, state: &State) -> bool {
        let heard = |role, client: &Client| role == Role::Revokes && client.heard == Some(Answer::Done);
        self.clients.iter().zip(&state.clients).any(|(role, client)| heard(*role, client))
    }

    fn read(&self, state: &mut State, client: usize, row: Reading) {
        let State { clients, store, .. } = state;
        let request = clients[client].request.as_mut().expect("a request is read for");
        request.read.read(row, self.clients[client], store, self.flaw);
    }

    fn decide(&self, state: &mut State, client: usize) {
        let (attempt, now) = (state.unused(client), state.clock(client));
        let request = state.request(client);
        let deciding = Deciding { terms: &self.terms, now, attempt, flaw: self.flaw };
        match deciding.decide(self.clients[client], &request.read) {
            Decision::Answers(answer) => self.answer(state, client, answer),
            Decision::Commits(commit, answer) => {
                request.read = Read::default();
                request.sent = Some(Sent { commit, answer, is_in_doubt: false });
                let is_over = matches!(answer, Answer::Opened(claim) if claim.access_until <= now);
                state.seen.opened_after_access |= is_over;
            }
        }
    }

    fn commit(&self, state: &mut State, client: usize) {
        let Sent { commit, answer, .. } = *state.sent(client);
        match state.store.try_commit(&commit, self.flaw) {
            Outcome::Applied | Outcome::Proven => self.answer(state, client, answer),
            // Definite also after a doubt; all is read again.
            Outcome::Stale => state.request(client).sent = None,
        }
    }

    fn send_again(&self, state: &mut State, client: usize) {
        let attempt = (self.flaw == Some(Flaw::ResendsAsNew)).then(|| state.unused(client));
        let sent = state.sent(client);
        sent.is_in_doubt = true;
        sent.commit.attempt = attempt.unwrap_or(sent.commit.attempt);
    }

    /// Ends a request, and notes what no state will show.
    fn answer(&self, state: &mut State, client: usize, answer: Answer) {
        let now = state.clock(client);
        let Some(Request { after, .. }) = state.clients[client].request.take() else { return };
        state.clients[client].heard = Some(answer);
        let Some(key) = self.clients[client].key() else { return };
        let seen = &mut state.seen;
        match answer {
            Answer::Opened(claim) => {
                seen.opened_after_revocation |= after.revocation;
                seen.opened_after_moving |= after.moving;
                seen.let_in_by_asking_again |= after.claim && seen.told[key.index()].is_none();
                let told = seen.told[key.index()].get_or_insert(claim);
                seen.told_otherwise |= !claim.is_told_as(told);
            }
            Answer::Refused(why) => {
                let own = state.store.claim(key).filter(|row| row.body.moved_at.is_none());
                seen.refused_its_own |= own.is_some_and(|own| match why {
                    Refusal::Revoked => false,
                    Refusal::AccessEnded => now < own.body.access_until,
                    // Its claim may have come late, after it was looked for.
                    Refusal::Expired => after.claim,
                    _ => true,
                });
            }
            Answer::Later | Answer::Done | Answer::Unavailable => {}
        }
    }
}
