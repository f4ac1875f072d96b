//! Answers that are computed once for all who ask the same at about the same time.
//!
//! What they say is not known here. While one is computed all who ask the same wait for it, and for a second all are
//! given it; so however many ask, one at a time is computed, and no more than one a second.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// So long an answer is given to others, from when it was first asked for.
const FRESH: Duration = Duration::from_secs(1);
/// Answers that are kept at the same time. A further one takes the place of the oldest for which nobody waits; where all
/// are waited for, it is computed for whoever asks alone.
const MOST: usize = 64;

/// The answers to questions of one kind.
pub(super) struct SharedAnswers<Q, A> {
    made: Mutex<Vec<Made<Q, A>>>,
}

struct Made<Q, A> {
    question: Q,
    asked: Instant,
    answer: Arc<OnceCell<Arc<A>>>,
}

impl<Q, A> Default for SharedAnswers<Q, A> {
    fn default() -> Self {
        Self {
            made: Mutex::default(),
        }
    }
}

impl<Q: PartialEq, A> SharedAnswers<Q, A> {
    /// The answer to a question, computed unless somebody else has just asked the same. Who goes away leaves it to the
    /// next who waits.
    ///
    /// # Errors
    /// That of computing it. It is not shared: the next who waits tries again.
    pub(super) async fn get<E>(
        &self,
        question: Q,
        compute: impl Future<Output = Result<A, E>>,
    ) -> Result<Arc<A>, E> {
        let answer = self.place(question);
        let computed = answer.get_or_try_init(|| async { compute.await.map(Arc::new) });
        computed.await.cloned()
    }

    /// Where the answer to a question is, or will be.
    fn place(&self, question: Q) -> Arc<OnceCell<Arc<A>>> {
        // Each change leaves the list whole.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|made| {
            let is_awaited = !made.answer.initialized() && Arc::strong_count(&made.answer) > 1;
            is_awaited || made.asked.elapsed() < FRESH
        });
        if let Some(known) = made.iter().find(|made| made.question == question) {
            return known.answer.clone();
        }
        if made.len() >= MOST
            && let Some(oldest) = made.iter().position(|made| Arc::strong_count(&made.answer) == 1)
        {
            made.remove(oldest);
        }
        let answer = Arc::new(OnceCell::new());
        if made.len() < MOST {
            made.push(Made {
                question,
                asked: Instant::now(),
                answer: answer.clone(),
            });
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_hundred_who_ask_the_same_at_once_are_given_one_answer() {
        let answers = Arc::new(SharedAnswers::default());
        let computed = Arc::new(AtomicUsize::new(0));
        let ask = |question: &'static str| {
            let (answers, computed) = (answers.clone(), computed.clone());
            let compute = async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(computed.fetch_add(1, Ordering::Relaxed))
            };
            tokio::spawn(async move { answers.get(question, compute).await.map(|answer| *answer) })
        };
        let asked: Vec<_> = (0..100).map(|_| ask("same")).collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), Ok(0));
        }
        assert_eq!(ask("other").await.unwrap(), Ok(1));
        assert_eq!(computed.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_answer_is_given_for_a_second_and_an_error_to_one_only() {
        let answers = SharedAnswers::default();
        assert_eq!(
            answers.get("a", async { Err::<u8, _>("busy") }).await,
            Err("busy")
        );
        assert_eq!(
            answers.get("a", async { Ok::<_, &str>(1) }).await.as_deref(),
            Ok(&1)
        );
        assert_eq!(
            answers.get("a", async { Ok::<_, &str>(2) }).await.as_deref(),
            Ok(&1)
        );
        for made in answers.made.lock().unwrap().iter_mut() {
            made.asked = Instant::now().checked_sub(FRESH).unwrap();
        }
        assert_eq!(
            answers.get("a", async { Ok::<_, &str>(3) }).await.as_deref(),
            Ok(&3)
        );
    }

    #[tokio::test]
    async fn however_many_questions_there_are_few_answers_are_kept() {
        let answers = SharedAnswers::default();
        for question in 0..10 * MOST {
            let answer = answers
                .get(question, async { Ok::<_, Infallible>(question) })
                .await;
            assert_eq!(answer.as_deref(), Ok(&question));
        }
        assert_eq!(answers.made.lock().unwrap().len(), MOST);
    }
}
