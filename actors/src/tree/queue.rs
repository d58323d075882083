//! Who waits, who goes next, and at which place somebody stands: the queue as a value, without actors, a clock or limits of its
//! own.
//!
//! The rule. A run that goes on whatever the limits say comes first. Then a run that a person waits for goes before headless
//! ones, also before those that came earlier, and within each of the two the one that came first goes first. But of the
//! headless runs that could go, the first is passed over by later runs at most [`PASSED_OVER_AT_MOST`] times, and then goes
//! before them. So a headless run behind `n` others that could go is passed over at most `(n + 1) * PASSED_OVER_AT_MOST` times
//! in all, however many people come, and people share the places with a backlog of headless runs three to one.

use windlass_domain::id::{RunId, WorkspaceId};

/// How often a headless run whose turn it is may be passed over by runs that came later: a person at a terminal waits little,
/// and nothing waits for ever.
const PASSED_OVER_AT_MOST: u32 = 3;

/// A run that waits for its turn.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) run_id: RunId,
    pub(crate) workspace_id: WorkspaceId,
    /// Nobody sits and waits for it.
    pub(crate) headless: bool,
    /// It goes on whatever the limits say: it was going on before, or is only to write its log.
    pub(crate) urgent: bool,
}

/// Those that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    line: Vec<InLine>,
}

#[derive(Debug)]
struct InLine {
    waiting: Waiting,
    /// How often a later run went while this one could have.
    passed_over: u32,
}

impl Queue {
    /// Puts a run at the end.
    pub(crate) fn add(&mut self, waiting: Waiting) {
        self.line.push(InLine { waiting, passed_over: 0 });
    }

    /// Has a run go on at once, whatever the limits say.
    pub(crate) fn expedite(&mut self, run_id: RunId) {
        for one in self.line.iter_mut().filter(|one| one.waiting.run_id == run_id) {
            one.waiting.urgent = true;
        }
    }

    /// How many wait.
    pub(crate) const fn len(&self) -> usize {
        self.line.len()
    }

    /// Whether a run waits.
    pub(crate) fn contains(&self, run_id: RunId) -> bool {
        self.line.iter().any(|one| one.waiting.run_id == run_id)
    }

    /// Takes out the run that goes next, of those whose workspace has a place free.
    pub(crate) fn take_next(&mut self, has_place: impl Fn(WorkspaceId) -> bool) -> Option<Waiting> {
        let next = self.next(has_place)?;
        Some(self.line.remove(next).waiting)
    }

    fn next(&mut self, has_place: impl Fn(WorkspaceId) -> bool) -> Option<usize> {
        if let Some(urgent) = self.line.iter().position(|one| one.waiting.urgent) {
            return Some(urgent);
        }
        let first = |headless: bool| {
            self.line
                .iter()
                .position(|one| one.waiting.headless == headless && has_place(one.waiting.workspace_id))
        };
        let (Some(interactive), Some(headless)) = (first(false), first(true)) else {
            return first(false).or_else(|| first(true));
        };
        if interactive < headless {
            return Some(interactive);
        }
        let passed_over = &mut self.line[headless].passed_over;
        if *passed_over >= PASSED_OVER_AT_MOST {
            return Some(headless);
        }
        *passed_over += 1;
        Some(interactive)
    }

    /// A run's place from 1, if each that goes makes room for the next; none when it does not wait.
    pub(crate) fn place_of(&self, run_id: RunId) -> Option<u32> {
        let before = self.order().into_iter().position(|waits| waits == run_id)?;
        u32::try_from(before + 1).ok()
    }

    /// The order in which they go where no workspace is at its limit. It takes one look at each, where taking them out one by
    /// one would take a look at all for each.
    fn order(&self) -> Vec<RunId> {
        let of = |headless: bool| {
            let others = self.line.iter().enumerate().filter(|(_, one)| !one.waiting.urgent);
            others.filter(move |(_, one)| one.waiting.headless == headless).peekable()
        };
        let (mut interactive, mut headless) = (of(false), of(true));
        let urgent = self.line.iter().filter(|one| one.waiting.urgent);
        let mut order: Vec<RunId> = urgent.map(|one| one.waiting.run_id).collect();
        let mut passing = 0;
        loop {
            let next = match (interactive.peek(), headless.peek()) {
                (Some((came, _)), Some((earlier, first))) if earlier < came => {
                    if first.passed_over + passing >= PASSED_OVER_AT_MOST {
                        passing = 0;
                        headless.next()
                    } else {
                        passing += 1;
                        interactive.next()
                    }
                }
                (Some(_), _) => interactive.next(),
                (None, _) => headless.next(),
            };
            let Some((_, one)) = next else { return order };
            order.push(one.waiting.run_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: u8 = 0;
    const THERE: u8 = 1;

    fn workspace(number: u8) -> WorkspaceId {
        WorkspaceId::from_bytes([number; 16])
    }

    fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    fn waiting(number: u8, workspace_number: u8, headless: bool) -> Waiting {
        let (run_id, workspace_id) = (run(number), workspace(workspace_number));
        Waiting { run_id, workspace_id, headless, urgent: false }
    }

    /// A queue of runs numbered from 0, `h` for headless and `i` for interactive.
    fn queue(line: &str) -> Queue {
        let mut queue = Queue::default();
        for (number, kind) in (0..).zip(line.chars()) {
            queue.add(waiting(number, HERE, kind == 'h'));
        }
        queue
    }

    fn emptied(mut queue: Queue) -> Vec<RunId> {
        std::iter::from_fn(|| queue.take_next(|_| true).map(|waiting| waiting.run_id)).collect()
    }

    fn goes(line: &str, numbers: &[u8]) {
        let expected: Vec<RunId> = numbers.iter().copied().map(run).collect();
        assert_eq!(emptied(queue(line)), expected, "{line}");
    }

    #[test]
    fn people_go_first_and_pass_each_headless_run_three_times_at_most() {
        goes("", &[]);
        goes("hhh", &[0, 1, 2]);
        goes("ihi", &[0, 2, 1]);
        goes("hiiiii", &[1, 2, 3, 0, 4, 5]);
        goes("hhiiiiiiiii", &[2, 3, 4, 0, 5, 6, 7, 1, 8, 9, 10]);
    }

    #[test]
    fn a_headless_run_that_came_later_passes_nobody() {
        goes("iiiiih", &[0, 1, 2, 3, 4, 5]);
        let mut mixed = queue("hiii");
        for passing in [1, 2, 3] {
            assert_eq!(mixed.take_next(|_| true).unwrap().run_id, run(passing));
        }
        mixed.line.remove(0);
        mixed.add(waiting(8, HERE, false));
        mixed.add(waiting(9, HERE, true));
        assert_eq!(emptied(mixed), [run(8), run(9)], "what was passed over is its own, not the queue's");
    }

    #[test]
    fn what_is_urgent_goes_before_all_and_without_a_place() {
        let mut queue = queue("hih");
        queue.expedite(run(2));
        assert_eq!(queue.place_of(run(2)), Some(1));
        assert_eq!(queue.take_next(|_| false).unwrap().run_id, run(2));
        assert!(queue.take_next(|_| false).is_none());
    }

    #[test]
    fn a_workspace_at_its_limit_holds_up_no_other() {
        let mut queue = Queue::default();
        queue.add(waiting(0, HERE, false));
        queue.add(waiting(1, THERE, true));
        let there = |workspace_id| workspace_id == workspace(THERE);
        assert_eq!(queue.take_next(there).unwrap().run_id, run(1));
        assert!(queue.take_next(there).is_none());
        assert_eq!((queue.len(), queue.contains(run(0))), (1, true));
    }

    #[test]
    fn the_place_that_is_told_is_the_one_that_comes_true() {
        for length in 0..=10 {
            for kinds in 0..1_u16 << length {
                let line: String =
                    (0..length).map(|at| if kinds >> at & 1 == 0 { 'h' } else { 'i' }).collect();
                for before in 0..=length.min(4) {
                    let mut queue = queue(&line);
                    for _ in 0..before {
                        queue.take_next(|_| true);
                    }
                    let told = queue.order();
                    let places: Vec<_> = told.iter().map(|run_id| queue.place_of(*run_id).unwrap()).collect();
                    assert_eq!(places, (1..).take(told.len()).collect::<Vec<u32>>(), "{line}");
                    assert_eq!(emptied(queue), told, "{line} without the first {before}");
                }
            }
        }
    }

    /// People come without end to two workspaces, and the places become free in every rhythm of four turns: one here, one
    /// there, or one in each. A headless run behind another one is passed over as often as the rule says, and no more.
    #[test]
    fn a_headless_run_goes_however_many_people_come() {
        const RHYTHMS: u32 = 3_u32.pow(4);
        let mut most = 0;
        for rhythm in 0..RHYTHMS {
            let free = |turn: u32, number: u8| match rhythm / 3_u32.pow(turn % 4) % 3 {
                0 => number == HERE,
                1 => number == THERE,
                _ => true,
            };
            if (0..4).all(|turn| !free(turn, HERE)) {
                continue;
            }
            let mut queue = Queue::default();
            queue.add(waiting(0, THERE, true));
            queue.add(waiting(1, HERE, true));
            let mut passed_over = 0;
            for turn in 0.. {
                queue.add(waiting(2, HERE, false));
                queue.add(waiting(3, THERE, false));
                let has_place = |workspace_id| {
                    [HERE, THERE]
                        .into_iter()
                        .any(|number| workspace_id == workspace(number) && free(turn, number))
                };
                let next = queue.take_next(has_place).unwrap();
                if next.run_id == run(1) {
                    break;
                }
                passed_over += u32::from(free(turn, HERE) && !next.headless);
                assert!(passed_over <= 2 * PASSED_OVER_AT_MOST, "rhythm {rhythm}");
            }
            most = most.max(passed_over);
        }
        assert_eq!(most, 2 * PASSED_OVER_AT_MOST);
    }
}
