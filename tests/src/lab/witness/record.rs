//! What a witness saw of one address: its questions and who answered each, and from that when two answered and when
//! nobody did.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::clock::Moment;

/// How long an answer may be under way. Questions younger than this are not judged.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When it arrived.
    pub at: Moment,
    /// The host that gave it; its hardware address if that is no host that the witness knows.
    pub by: Arc<str>,
}

/// One question and its answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// When it was asked.
    pub at: Moment,
    /// In the order of their arrival.
    pub answers: Vec<Answer>,
}

impl Question {
    fn two(&self) -> bool {
        self.answers.iter().any(|answer| self.answers.first().is_some_and(|first| first.by != answer.by))
    }

    fn answered_by(&self, host: &str) -> bool {
        self.answers.iter().any(|answer| &*answer.by == host)
    }

    fn sole(&self) -> Option<&str> {
        (!self.two()).then(|| self.answers.first().map(|answer| &*answer.by))?
    }
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When the first of its questions was asked.
    pub from: Moment,
    /// When the first question after it was asked.
    pub to: Moment,
}

impl Span {
    /// How long it is.
    pub fn length(self) -> Duration {
        self.to.since(self.from)
    }
}

/// Everything about one address, from the first question that is not forgotten.
#[derive(Clone, Debug, Default)]
pub struct Record {
    first: u32,
    questions: VecDeque<Question>,
}

impl Record {
    /// Number of the next question.
    pub(super) fn next(&self) -> u32 {
        self.first.wrapping_add(u32::try_from(self.questions.len()).unwrap_or(u32::MAX))
    }

    /// The next question was asked.
    pub(super) fn asked(&mut self, at: Moment) {
        self.questions.push_back(Question { at, answers: Vec::new() });
    }

    /// An answer came to the last question whose number ends in `low`, of `many` different ends.
    pub(super) fn answered(&mut self, (low, many): (u32, u64), answer: Answer) {
        let last = self.next().wrapping_sub(1);
        let back = u64::from(last.wrapping_sub(low)) % many;
        let place = usize::try_from(back).ok().and_then(|back| self.questions.len().checked_sub(back + 1));
        if let Some(question) = place.and_then(|place| self.questions.get_mut(place)) {
            question.answers.push(answer);
        }
    }

    /// Drops the questions before `moment`.
    pub(super) fn forget(&mut self, moment: Moment) {
        while self.questions.front().is_some_and(|question| question.at < moment) {
            self.questions.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// The questions in `from..to` that can be judged.
    pub fn questions(&self, from: Moment, to: Moment) -> impl Iterator<Item = &Question> {
        let judged = self.questions.back().map_or(to, |last| to.min(last.at - PATIENCE));
        let start = self.questions.partition_point(|question| question.at < from);
        self.questions.range(start..).take_while(move |question| question.at < judged)
    }

    /// When two hosts answered: the same question, or three in a row in turns, which no hand-over explains.
    pub fn two(&self, from: Moment, to: Moment) -> Vec<Span> {
        let all: Vec<&Question> = self.questions(from, to).collect();
        let in_turns = |place: usize| {
            let around = place.checked_sub(1).and_then(|before| all.get(before..place + 2));
            let Some([a, b, c]) = around else { return false };
            matches!((a.sole(), b.sole(), c.sole()), (Some(a), Some(b), Some(c)) if a == c && a != b)
        };
        spans(&all, |place, question| question.two() || in_turns(place))
    }

    /// When nobody answered.
    pub fn none(&self, from: Moment, to: Moment) -> Vec<Span> {
        let all: Vec<&Question> = self.questions(from, to).collect();
        spans(&all, |_, question| question.answers.is_empty())
    }

    /// The longest time for which nobody answered.
    pub fn longest_none(&self, from: Moment, to: Moment) -> Duration {
        self.none(from, to).into_iter().map(Span::length).max().unwrap_or_default()
    }

    /// The longest time for which the witness itself asked nothing, because the machine did not run it.
    pub fn longest_stall(&self, from: Moment, to: Moment) -> Duration {
        let moments: Vec<Moment> = self.questions(from, to).map(|question| question.at).collect();
        let pairs = moments.windows(2).filter_map(|two| Some(two.last()?.since(*two.first()?)));
        pairs.max().unwrap_or_default()
    }

    /// When `host` was last asked in `from..to` and answered.
    pub fn last_by(&self, host: &str, from: Moment, to: Moment) -> Option<Moment> {
        let answered = self.questions(from, to).filter(|question| question.answered_by(host));
        answered.last().map(|question| question.at)
    }

    /// When `host` was first asked after `from` and answered.
    pub fn first_by(&self, host: &str, from: Moment) -> Option<Moment> {
        let end = Moment(u64::MAX);
        self.questions(from, end).find(|question| question.answered_by(host)).map(|question| question.at)
    }

    /// Who alone has answered every question since `from`, of which there must be some.
    pub fn sole_since(&self, from: Moment) -> Option<Arc<str>> {
        let mut questions = self.questions(from, Moment(u64::MAX)).peekable();
        let by = Arc::clone(&questions.peek()?.answers.first()?.by);
        questions.all(|question| question.sole() == Some(&by)).then_some(by)
    }

    /// Who alone answered the last question before `moment` that was answered by one host.
    pub fn sole_before(&self, moment: Moment) -> Option<Arc<str>> {
        let before = self.questions(Moment::default(), moment).filter(|question| question.sole().is_some());
        before.last().and_then(|question| Some(Arc::clone(&question.answers.first()?.by)))
    }

    /// Who answered, from when on, in words: for a report.
    pub fn story(&self, from: Moment, to: Moment) -> String {
        let mut words = Vec::new();
        let mut last = None;
        for question in self.questions(from, to) {
            let mut by: Vec<&str> = question.answers.iter().map(|answer| &*answer.by).collect();
            by.sort_unstable();
            by.dedup();
            if last.as_ref() != Some(&by) {
                let who = if by.is_empty() { "nobody".to_owned() } else { by.join(" and ") };
                words.push(format!("{:.1} ms {who}", question.at.since(from).as_secs_f64() * 1e3));
                last = Some(by);
            }
        }
        words.join(", ")
    }
}

/// Stretches of questions that `matches` accepts. The last one ends with its last question.
fn spans(all: &[&Question], matches: impl Fn(usize, &Question) -> bool) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open = false;
    for (place, question) in all.iter().enumerate() {
        let within = matches(place, question);
        let to = all.get(place + 1).map_or(question.at, |next| next.at);
        match spans.last_mut() {
            Some(span) if within && open => span.to = to,
            _ if within => spans.push(Span { from: question.at, to }),
            _ => {}
        }
        open = within;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const END: Moment = Moment(u64::MAX);

    /// One question every 10 ms; `a`, `b` answer, `2` is both of them, `-` is nobody.
    fn record(answers: &str) -> Record {
        let mut record = Record::default();
        for (number, by) in (0_u64..).zip(answers.chars()) {
            record.asked(Moment(number * 10 * MS));
            let by = match by {
                '2' => "ab".to_owned(),
                '-' => String::new(),
                one => one.to_string(),
            };
            for host in by.chars() {
                let answer = Answer { at: Moment(number * 10 * MS + MS), by: host.to_string().into() };
                record.answered((u32::try_from(number).unwrap(), 1 << 32), answer);
            }
        }
        // Old enough that all of the above can be judged.
        record.asked(Moment(u64::try_from(answers.len()).unwrap() * 10 * MS + 101 * MS));
        record
    }

    fn shown(spans: &[Span]) -> Vec<(u64, u64)> {
        spans.iter().map(|span| (span.from.0 / MS, span.to.0 / MS)).collect()
    }

    #[test]
    fn two_are_two_answers_to_one_question_or_turns() {
        let two = |answers| shown(&record(answers).two(Moment(0), END));
        assert_eq!(two("aa22bb"), [(20, 40)]);
        assert_eq!(two("aabba"), []);
        assert_eq!(two("aaba"), [(20, 30)], "in turns");
        assert_eq!(two("aa-bb-aa"), [], "a hand-over and back");
        assert_eq!(two("2"), [(0, 0)], "even if it is all that there is");
    }

    #[test]
    fn nobody_is_from_the_first_question_to_the_next_answer() {
        let record = record("aa--bb-b");
        assert_eq!(shown(&record.none(Moment(0), END)), [(20, 40), (60, 70)]);
        assert_eq!(record.longest_none(Moment(0), END), Duration::from_millis(20));
        assert_eq!(record.longest_none(Moment(45 * MS), END), Duration::from_millis(10));
        assert_eq!(record.longest_stall(Moment(0), END), Duration::from_millis(10), "it asked all the time");
        assert_eq!(record.last_by("a", Moment(0), END), Some(Moment(10 * MS)));
        assert_eq!(record.first_by("b", Moment(0)), Some(Moment(40 * MS)));
        assert_eq!(
            record.story(Moment(0), END),
            "0.0 ms a, 20.0 ms nobody, 40.0 ms b, 60.0 ms nobody, 70.0 ms b"
        );
    }

    #[test]
    fn who_alone_answers() {
        assert_eq!(record("abbb").sole_since(Moment(10 * MS)).as_deref(), Some("b"));
        assert_eq!(record("abb-b").sole_since(Moment(10 * MS)), None);
        assert_eq!(record("ab2b").sole_since(Moment(10 * MS)), None);
        assert_eq!(record("ab").sole_since(Moment(100 * MS)), None, "there is no question yet");
        assert_eq!(record("ab2-").sole_before(Moment(30 * MS)).as_deref(), Some("b"));
        assert_eq!(record("-2").sole_before(END), None);
    }

    #[test]
    fn young_questions_are_not_judged_and_forgotten_ones_leave_the_numbers_as_they_are() {
        let mut record = record("aaa");
        record.asked(Moment(140 * MS));
        assert_eq!(
            record.longest_none(Moment(0), END),
            Duration::ZERO,
            "those at 131 and 140 ms may be answered yet"
        );
        record.forget(Moment(20 * MS));
        let answer = Answer { at: Moment(141 * MS), by: "b".into() };
        record.answered((4, 1 << 32), answer.clone());
        record.answered((3 % 2, 2), answer);
        let answered: Vec<usize> = record.questions.iter().map(|question| question.answers.len()).collect();
        assert_eq!(answered, [1, 1, 1]);
    }
}
