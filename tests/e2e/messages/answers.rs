//! Answers on the way out: each once, on good days and bad ones.

use processors::messages::segments;
use tests::Mood;

use super::{Line, SILENCE, answer};

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_three_times_goes_out_once() {
    let line = Line::start(|builder| builder).await;
    let words = "Face matched \u{5e9}\u{1f98a} & \"Tom\"";
    for _ in 0..3 {
        line.answer(&[(1, words), (1, words)]).await;
    }
    // The same words as the answer to something else are another message.
    line.answer(&[(2, words), (3, "last")]).await;
    let mut texts = line.texts(3).await;
    texts.sort();
    assert_eq!(texts, [words, words, "last"]);
    assert_eq!(line.twilio.tries(), 3);
    for secret in ["5550100", "Tom"] {
        assert!(!line.server.stderr().contains(secret), "{secret} in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_twilio_is_down_answers_wait_and_then_each_goes_out_once() {
    let line = Line::start(|builder| builder.env("CROSSLENS_RETRY_FIRST_MS", "300")).await;
    for (round, mood) in [Mood::Status(503), Mood::Status(429), Mood::Status(401), Mood::Breaks].into_iter().enumerate()
    {
        line.twilio.is(mood);
        let tries = line.twilio.tries();
        let texts: Vec<String> = (0..5).map(|n| format!("answer {round} {n}")).collect();
        let answers: Vec<(usize, &str)> =
            texts.iter().enumerate().map(|(n, text)| (round * 5 + n, text.as_str())).collect();
        line.answer(&answers).await;
        tests::wait_until("tries in vain", || (line.twilio.tries() >= tries + 5).then_some(()));
        assert_eq!(line.twilio.taken().len(), round * 5, "{mood:?}");
        line.twilio.is(Mood::Fine);
        let mut sent = line.texts((round + 1) * 5).await.split_off(round * 5);
        sent.sort();
        assert_eq!(sent, texts, "{mood:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_gone_out_is_looked_up_before_it_is_sent_again() {
    let line = Line::start(|builder| builder).await;
    line.answer(&[(0, "yes")]).await;
    line.texts(1).await;
    line.twilio.is(Mood::TakesAndBreaks);
    // With the words of an earlier answer, which is no proof of this one.
    line.answer(&[(1, "yes"), (2, "no")]).await;
    line.texts(3).await;
    line.twilio.is(Mood::Fine);
    line.until_sent("found", 2).await;
    assert!(line.twilio.looks() >= 2);
    assert_eq!((line.texts(3).await.len(), line.twilio.tries()), (3, 3), "none was sent twice");
    line.answer(&[(3, "yes")]).await;
    assert_eq!(line.texts(4).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_dead_process_was_sending_is_looked_up() {
    let mut line = Line::start(|builder| builder).await;
    line.twilio.is(Mood::TakesAndHangs);
    line.answer(&[(1, "once")]).await;
    line.texts(1).await;
    line.server.restart();
    line.twilio.is(Mood::Fine);
    // What the dead process held is free when its lease is over; nothing else waits for it.
    line.answer(&[(2, "another")]).await;
    assert_eq!(line.texts(2).await, ["once", "another"]);
    line.until_sent("found", 1).await;
    assert_eq!((line.texts(2).await.len(), line.twilio.tries()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_twilio_refuses_for_good_is_a_dead_letter() {
    let line = Line::start(|builder| builder).await;
    line.twilio.is(Mood::Code(21_211));
    line.answer(&[(1, "to nobody")]).await;
    line.until_sent("refused", 1).await;
    // The carrier knows that the number has said stop, and from then on so do we.
    line.twilio.is(Mood::Code(21_610));
    line.answer(&[(2, "unwanted")]).await;
    line.until_sent("stopped", 1).await;
    line.twilio.is(Mood::Fine);
    assert_eq!(line.says("SM1", "help", &[]).await, SILENCE);
    assert_eq!(line.twilio.tries(), 2);
    let dead =
        tests::Cli::new(["events", "dead", "--consumer", "dispatch", "--json", "--data"]).arg(line.server.data());
    let dead = dead.run().stdout;
    assert!(dead.lines().count() == 1 && dead.contains(&answer(1, "").id) && !dead.contains("5550100"), "{dead}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_is_cut_on_a_word_and_the_rest_comes_on_request() {
    let line = Line::start(|builder| builder.env("CROSSLENS_MESSAGE_SEGMENTS", "2")).await;
    let words: Vec<String> = (0..120).map(|n| format!("word{n}")).collect();
    line.answer(&[(1, &words.join(" "))]).await;
    let mut parts = line.texts(1).await;
    // A short answer in between does not take the rest away.
    line.answer(&[(2, "short")]).await;
    line.texts(2).await;
    let mut count = 2;
    while parts.last().unwrap().ends_with(" ... (reply MORE)") {
        assert_eq!(segments(parts.last().unwrap()), 2);
        // Asked twice before it has come, it comes once.
        for again in ["a", "b"] {
            line.says(&format!("SM{count}{again}"), "More", &[]).await;
        }
        count += 1;
        parts.push(line.texts(count).await.pop().unwrap());
        line.until_sent("sent", count).await;
    }
    assert!(parts.len() > 2, "{parts:?}");
    let all: Vec<&str> = parts.iter().map(|part| part.trim_end_matches(" ... (reply MORE)")).collect();
    assert_eq!(all.join(" "), words.join(" "));
    assert!(line.says("SMlast", "more", &[]).await.contains("There is nothing more."));
}
