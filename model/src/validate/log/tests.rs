//! What may be asked of log groups, streams and events.

use super::event;
use super::*;
use crate::command::Envelope;
use crate::id::Ids;
use crate::log::Position;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_unix_ms(1_700_000_000_000);

fn admission() -> Admission {
    Admission { now: NOW, ids: Ids::from_seed(7), principal: String::new(), traceparent: None }
}

fn apply(state: &mut State, command: Command) {
    let envelope = Envelope { command, issued_at: NOW, traceparent: None };
    let revision = state.revision() + 1;
    state.apply(revision, &envelope).reply.expect("applied");
}

fn with_group(name: &str) -> State {
    let mut state = State::default();
    let request = pb::CreateLogGroupRequest { log_group_name: Some(name.into()), ..Default::default() };
    let ((), command) = create(&request, &state, &mut admission()).expect("accepted");
    apply(&mut state, command);
    state
}

fn name_of_error<T: std::fmt::Debug>(result: Result<T, ApiError>) -> &'static str {
    result.expect_err("refused").exception.name()
}

#[test]
fn a_group_is_made_once_and_found_by_name_and_arn() {
    let state = with_group("/ecs/web");
    let again = pb::CreateLogGroupRequest { log_group_name: Some("/ecs/web".into()), ..Default::default() };
    assert_eq!(name_of_error(create(&again, &state, &mut admission())), "ResourceAlreadyExistsException");
    let bad = pb::CreateLogGroupRequest { log_group_name: Some("no spaces".into()), ..Default::default() };
    assert_eq!(name_of_error(create(&bad, &state, &mut admission())), "InvalidParameterException");
    let arn = state.scope().log_group("/ecs/web");
    for named in ["/ecs/web".to_owned(), arn.clone(), format!("{arn}:*")] {
        assert_eq!(find(None, Some(&named), &state).expect("found").name, "/ecs/web");
    }
    let elsewhere = "arn:aws:logs:eu-west-1:000000000000:log-group:/ecs/web";
    assert_eq!(name_of_error(find(None, Some(elsewhere), &state)), "ResourceNotFoundException");
    assert_eq!(name_of_error(find(Some("other"), None, &state)), "ResourceNotFoundException");
}

#[test]
fn retention_and_tags_change_a_group_and_only_as_they_may() {
    let mut state = with_group("g");
    let retain = |days| pb::PutRetentionPolicyRequest {
        log_group_name: Some("g".into()),
        retention_in_days: Some(days),
    };
    assert_eq!(name_of_error(put_retention(&retain(2), &state)), "InvalidParameterException");
    let ((), command) = put_retention(&retain(7), &state).expect("accepted");
    apply(&mut state, command);
    assert_eq!(state.log_group("g").expect("there").retention_days, Some(7));
    let arn = state.scope().log_group("g");
    let tag = pb::TagResourceRequest {
        resource_arn: Some(arn.clone()),
        tags: BTreeMap::from([("team".into(), "a".into())]),
    };
    let ((), command) = super::tag(&tag, &state).expect("accepted");
    apply(&mut state, command);
    let request = pb::ListTagsForResourceRequest { resource_arn: Some(arn.clone()) };
    assert_eq!(tags(&request, &state).expect("found"), tag.tags);
    let untag = pb::UntagResourceRequest { resource_arn: Some(arn), tag_keys: vec!["team".into()] };
    let ((), command) = super::untag(&untag, &state).expect("accepted");
    apply(&mut state, command);
    assert!(state.log_group("g").expect("there").tags.is_empty());
    assert_eq!(state.log_group("g").expect("there").generation, 4);
}

fn put(events: &[(i64, &str)]) -> pb::PutLogEventsRequest {
    let event = |(timestamp, message): &(i64, &str)| pb::InputLogEvent {
        timestamp: Some(*timestamp),
        message: Some((*message).to_owned()),
    };
    pb::PutLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: Some("s".into()),
        log_events: events.iter().map(event).collect(),
        sequence_token: None,
    }
}

#[test]
fn a_batch_of_events_keeps_to_its_bounds() {
    let state = with_group("g");
    let now = NOW.unix_ms();
    let long = "x".repeat(1 << 20);
    let refused: [&[(i64, &str)]; 6] = [
        &[],
        &[(now, "")],
        &[(now, &long)],
        &[(now, "b"), (now - 1, "a")],
        &[(now - 90_000_000, "a"), (now, "b")],
        &[(-1, "a")],
    ];
    for events in refused {
        assert_eq!(name_of_error(event::put(&put(events), &state, NOW)), "InvalidParameterException");
    }
    assert!(event::put(&put(&vec![(now, "x"); 10_001]), &state, NOW).is_err());
    assert_eq!(event::put(&put(&[(now, "a"), (now, "b")]), &state, NOW).expect("taken").taken, 0..2);
}

#[test]
fn events_that_are_too_old_or_too_new_are_left_out_and_told() {
    let mut state = with_group("g");
    let (now, hour) = (NOW.unix_ms(), 3_600_000);
    let old = event::put(&put(&[(now - 15 * 24 * hour, "a"), (now - 14 * 24 * hour, "b")]), &state, NOW);
    let old = old.expect("taken");
    assert_eq!((old.taken, old.rejected.expect("told").too_old_log_event_end_index), (1..2, Some(1)));
    let new = event::put(&put(&[(now, "a"), (now + 3 * hour, "b")]), &state, NOW).expect("taken");
    assert_eq!((new.taken, new.rejected.expect("told").too_new_log_event_start_index), (0..1, Some(1)));
    let retain =
        pb::PutRetentionPolicyRequest { log_group_name: Some("g".into()), retention_in_days: Some(1) };
    let ((), command) = put_retention(&retain, &state).expect("accepted");
    apply(&mut state, command);
    let expired = event::put(&put(&[(now - 25 * hour, "a"), (now - 2 * hour, "b")]), &state, NOW);
    let expired = expired.expect("taken");
    assert_eq!((expired.taken, expired.rejected.expect("told").expired_log_event_end_index), (1..2, Some(1)));
}

#[test]
fn a_reader_goes_on_where_it_was_and_keeps_its_token_at_the_end() {
    let state = with_group("g");
    let request = |token: Option<String>, start_from_head| pb::GetLogEventsRequest {
        log_group_name: Some("g".into()),
        log_stream_name: Some("s".into()),
        next_token: token,
        start_from_head: Some(start_from_head),
        ..Default::default()
    };
    let head = event::get(&request(None, true), &state, NOW).expect("valid");
    assert!(!head.events.descending);
    let seen = (Position::at(10), Position::at(20));
    let (forward, backward) = head.tokens(Some(seen));
    let next = event::get(&request(Some(forward.clone()), true), &state, NOW).expect("valid");
    assert_eq!(next.events.from, Some(Position::at(20).next().to_message()));
    assert_eq!(next.tokens(None).0, forward, "nothing new: the same token");
    let before = event::get(&request(Some(backward), true), &state, NOW).expect("valid");
    assert!(before.events.descending);
    assert_eq!(before.events.until, Some(Position::at(10).to_message()));
    assert!(event::get(&request(None, false), &state, NOW).expect("valid").events.descending);
    assert!(event::get(&request(Some("x/1".into()), false), &state, NOW).is_err());
}

#[test]
fn a_filter_says_what_is_wrong_with_its_pattern() {
    let state = with_group("g");
    let request = |pattern: &str| pb::FilterLogEventsRequest {
        log_group_name: Some("g".into()),
        filter_pattern: Some(pattern.into()),
        end_time: Some(5),
        ..Default::default()
    };
    let read = event::filter(&request("ERROR"), &state, NOW).expect("valid");
    assert_eq!(read.events.until, Some(Position::at(6).to_message()), "the end is in it");
    let refused = event::filter(&request("{ $.a = "), &state, NOW).expect_err("refused");
    assert!(refused.message.starts_with("Invalid filter pattern"), "{refused}");
}
