//! Whose job a claim from a queue tries next.
//!
//! The highest priority is first. Within it, each owner is one participant, and all jobs without an owner are one more:
//! their turn comes at random, once in as many claims as there are participants. Otherwise it is the turn of the owner
//! with the fewest running jobs, and among equals of the one that was served the longest time ago.

use stagecast_contract::timestamp::Timestamp;
use stagecast_core::{
    clock::random,
    models::{WaitingJob, WaitingOwner},
};

/// How often a claim prefers another owner because one has more running jobs than its item says.
const MAX_CORRECTIONS: usize = 3;

/// An owner whose turn it may be.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) owner: WaitingOwner,
    /// The number of running jobs, as far as this claim knows.
    pub(crate) running: u32,
    /// The jobs that the claim has read and not tried yet; none before it has read them.
    pub(crate) jobs: Option<Jobs>,
}

/// The first jobs of an owner with the priority of the turn.
#[derive(Clone, Debug)]
pub(crate) struct Jobs {
    pub(crate) left: Vec<WaitingJob>,
    /// Whether the owner has this one job only.
    pub(crate) is_single: bool,
    /// Whether the owner may have further jobs, which were not read.
    pub(crate) is_partial: bool,
}

/// What a claim tries next.
#[derive(Debug)]
pub(crate) enum Next {
    /// The first of the jobs without an owner.
    Unowned,
    /// An owner, who takes part again only after [`Order::put_back`].
    Owner(Box<Turn>),
}

/// The participants of one claim.
#[derive(Debug)]
pub(crate) struct Order {
    turns: Vec<Turn>,
    corrections: usize,
}

impl Order {
    pub(crate) fn new(owners: Vec<WaitingOwner>, now: Timestamp) -> Self {
        let turns = owners.into_iter().map(|owner| Turn {
            running: owner.running_hint(now),
            owner,
            jobs: None,
        });
        Self {
            turns: turns.collect(),
            corrections: 0,
        }
    }

    /// What to try next. `unowned` is the priority of the first job without an owner.
    pub(crate) fn next(&mut self, unowned: Option<u8>) -> Option<Next> {
        self.choose(unowned, u16::from_be_bytes(random()))
    }

    fn choose(&mut self, unowned: Option<u8>, draw: u16) -> Option<Next> {
        let highest = self.turns.iter().map(|turn| turn.owner.priority()).max();
        let priority = highest.max(unowned)?;
        let is_equal = |turn: &&Turn| turn.owner.priority() == priority;
        let owners = self.turns.iter().filter(is_equal).count();
        if unowned == Some(priority) && usize::from(draw) % (owners + 1) == 0 {
            return Some(Next::Unowned);
        }
        let turns = self.turns.iter().enumerate();
        let (index, _) = turns
            .filter(|(_, turn)| is_equal(turn))
            .min_by_key(|(_, turn)| turn.place())?;
        Some(Next::Owner(Box::new(self.turns.swap_remove(index))))
    }

    /// Lets an owner take part again.
    pub(crate) fn put_back(&mut self, turn: Turn) {
        self.turns.push(turn);
    }

    /// Whether another owner comes before `turn`, now that its running jobs are counted. False after a few of such
    /// corrections in one claim: the order is approximate.
    pub(crate) fn has_better(&mut self, turn: &Turn) -> bool {
        let is_better = |other: &Turn| {
            other.owner.priority() == turn.owner.priority() && other.place() < turn.place()
        };
        if self.corrections >= MAX_CORRECTIONS || !self.turns.iter().any(is_better) {
            return false;
        }
        self.corrections += 1;
        true
    }
}

impl Turn {
    /// Owners with a smaller place are first.
    fn place(&self) -> (u32, i64, &str) {
        (self.running, self.owner.turn_at, &self.owner.owner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_seconds(1_800_000_000);

    fn owner(name: &str, priority: u8, running: u32, turn_at: i64) -> WaitingOwner {
        let item = json!({
            "queue": "plans",
            "entry": format!("owner#{}#0000#{name}", 9 - priority),
            "owner": name,
            "version": "1",
            "running": running,
            "counted_at": NOW.epoch_seconds(),
            "turn_at": turn_at,
            "expires_at": 0,
        });
        serde_json::from_value(item).expect("an owner")
    }

    /// The owners in their order, without jobs of no owner.
    fn order(owners: Vec<WaitingOwner>) -> String {
        let mut order = Order::new(owners, NOW);
        let next = std::iter::from_fn(|| match order.choose(None, 0)? {
            Next::Owner(turn) => Some(turn.owner.owner),
            Next::Unowned => panic!("there is none"),
        });
        next.collect()
    }

    #[test]
    fn owner_with_the_fewest_running_jobs_is_first_then_the_least_recently_served() {
        let owners = vec![
            owner("e", 5, 7, 1),
            owner("c", 5, 0, 30),
            owner("b", 5, 0, 20),
            owner("d", 5, 1, 10),
            owner("f", 4, 0, 0),
            owner("a", 6, 9, 90),
        ];
        assert_eq!(order(owners), "abcdef");
    }

    #[test]
    fn number_of_running_jobs_is_not_used_after_a_minute() {
        let (later, busy) = (NOW.plus_seconds(61), owner("a", 5, 7, 0));
        assert_eq!(busy.running_hint(NOW.plus_seconds(60)), 7);
        assert_eq!(busy.running_hint(later), 0);
    }

    #[test]
    fn jobs_without_an_owner_are_one_participant_of_their_priority() {
        let owners = || {
            vec![
                owner("a", 5, 0, 0),
                owner("b", 5, 0, 0),
                owner("c", 4, 0, 0),
            ]
        };
        let unowned = |priority: u8, draw: u16| {
            let next = Order::new(owners(), NOW).choose(Some(priority), draw);
            matches!(next, Some(Next::Unowned))
        };
        let turns = (0..300).filter(|draw| unowned(5, *draw)).count();
        assert_eq!(turns, 100, "one of three");
        assert!((0..9).all(|draw| unowned(6, draw)), "the highest priority");
        assert!(!(0..9).any(|draw| unowned(4, draw)));
        let alone = Order::new(Vec::new(), NOW).choose(Some(0), 1);
        assert!(matches!(alone, Some(Next::Unowned)));
        assert!(Order::new(Vec::new(), NOW).choose(None, 0).is_none());
    }

    #[test]
    fn owner_is_put_back_for_a_better_one_three_times_at_most() {
        let owners = vec![owner("a", 5, 0, 0), owner("b", 5, 1, 0)];
        let mut order = Order::new(owners, NOW);
        let Some(Next::Owner(mut turn)) = order.choose(None, 0) else {
            panic!("an owner");
        };
        assert!(!order.has_better(&turn));
        turn.running = 5;
        let better = (0..5).filter(|_| order.has_better(&turn)).count();
        assert_eq!(better, MAX_CORRECTIONS);
        order.put_back(*turn);
        assert!(
            matches!(order.choose(None, 0), Some(Next::Owner(turn)) if turn.owner.owner == "b")
        );
    }
}
