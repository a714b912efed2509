//! Planted bugs: the protocol with one rule turned off, and a small scenario that finds it.

use crate::actor::Actor::{
    Compact, Define, Erase, Gc, Late, Mender, Purge, Query, Repair, Retry, Rollup, SecondErase,
    Writer,
};
use crate::rules::Rules;
use crate::scenario::Scenario;

/// A rule turned off, where that does harm.
#[derive(Debug)]
pub struct PlantedBug {
    /// The scenario, with all rules kept. Its name is the bug's.
    pub scenario: Scenario,
    /// Turns the rule off.
    pub plant: fn(&mut Rules),
}

impl PlantedBug {
    /// The scenario with the rule turned off.
    #[must_use]
    pub fn planted(&self) -> Scenario {
        self.scenario.clone().set(|it| (self.plant)(&mut it.rules))
    }
}

fn bug(scenario: Scenario, plant: fn(&mut Rules)) -> PlantedBug {
    PlantedBug { scenario, plant }
}

fn empty(name: &'static str) -> Scenario {
    Scenario::new(name)
}

fn published(name: &'static str) -> Scenario {
    Scenario::new(name).set(|it| it.published = true)
}

fn with_deaths(it: &mut Scenario) {
    it.deaths = true;
}

fn copied(it: &mut Scenario) {
    it.copy_without_manifests = true;
    it.parts = 2;
}

/// Every planted bug.
#[must_use]
pub fn planted_bugs() -> Vec<PlantedBug> {
    let mut bugs = of_append();
    bugs.extend(of_giving_up());
    bugs.extend(of_rewriting());
    bugs.extend(of_erase());
    bugs.extend(of_gc());
    bugs.extend(of_purge_and_hints());
    bugs.extend(of_readers());
    bugs.extend(of_repair());
    bugs
}

fn of_append() -> Vec<PlantedBug> {
    vec![
        bug(
            empty("a claim does not list its leaves")
                .with(Writer, 1)
                .with(Retry, 1)
                .with(Compact, 1)
                .with(Gc, 1)
                .set(|it| it.other_order = true),
            |rules| rules.claim_lists_leaves = false,
        ),
        bug(
            empty("who meets a void does not look at the manifest")
                .with(Writer, 1)
                .with(Compact, 1)
                .with(SecondErase, 1)
                .with(Gc, 1)
                .set(|it| it.lost_answers = true),
            |rules| rules.look_after_void = false,
        ),
    ]
}

fn of_giving_up() -> Vec<PlantedBug> {
    vec![
        bug(
            empty("leaf 0 of a claim is published last").with(Writer, 1).with(Mender, 1),
            |rules| rules.first_leaf_first = false,
        ),
        bug(
            empty("who gives up a claim does not look at the manifest")
                .with(Writer, 1)
                .with(Mender, 1)
                .with(Compact, 1)
                .with(Gc, 1),
            |rules| rules.look_after_giving_up = false,
        ),
        bug(
            empty("who gives up a claim concludes from a damaged day")
                .with(Writer, 1)
                .with(Mender, 1)
                .with(Compact, 1)
                .with(Gc, 1)
                .with(Repair, 1)
                .set(copied),
            |rules| rules.give_up_needs_whole_day = false,
        ),
        bug(
            empty("a writer goes on at the void of a given-up claim")
                .with(Writer, 1)
                .with(Mender, 1),
            |rules| rules.stop_at_given_up = false,
        ),
        bug(
            empty("who gives up a claim takes an erasure's void for its own")
                .with(Writer, 1)
                .with(Mender, 1)
                .with(Erase, 1),
            |rules| rules.give_up_follows_tries = false,
        ),
    ]
}

fn of_rewriting() -> Vec<PlantedBug> {
    vec![
        bug(
            published("files are not read back").with(Compact, 1).set(|it| it.bad_writes = true),
            |rules| rules.read_back = false,
        ),
        bug(
            published("a writer that withdraws deletes its intent first")
                .with(Compact, 1)
                .set(|it| it.bad_writes = true),
            |rules| rules.files_go_first = false,
        ),
        bug(
            published("a process that starts again keeps its attempt")
                .with(Erase, 1)
                .with(Query, 1)
                .set(|it| it.bad_writes = true),
            |rules| rules.new_attempts = false,
        ),
        bug(
            published("a manifest forgets what was absorbed before").with(Late, 1).with(Compact, 2),
            |rules| rules.carry_absorbed = false,
        ),
        bug(
            published("a taken manifest name counts as one's own").with(Compact, 1).with(Erase, 1),
            |rules| rules.create_if_absent = false,
        ),
        bug(
            published("a create without an answer counts as lost")
                .with(Compact, 1)
                .set(|it| it.lost_answers = true),
            |rules| rules.attempt_decides = false,
        ),
        bug(
            published("a rewriting absorbs leaves that it has not read")
                .with(Late, 1)
                .with(Compact, 1),
            |rules| rules.absorb_what_was_read = false,
        ),
        bug(published("the manifest is created before its files").with(Compact, 1), |rules| {
            rules.data_before_manifest = false;
        }),
        bug(
            empty("an emptied day has no witness")
                .with(Writer, 1)
                .with(Erase, 1)
                .set(copied)
                .set(with_deaths),
            |rules| rules.witness = false,
        ),
    ]
}

fn of_erase() -> Vec<PlantedBug> {
    vec![
        bug(empty("an erasure voids nothing").with(Writer, 1).with(Erase, 1), |rules| {
            rules.fence = false;
        }),
        bug(
            empty("an erasure voids nothing on a day without objects")
                .with(Writer, 1)
                .with(Erase, 1)
                .set(|it| it.second_leaf_day = 1),
            |rules| rules.fence_on_empty_days = false,
        ),
        bug(
            empty("an erasure takes another erasure's void for its own")
                .with(Writer, 1)
                .with(Erase, 1)
                .with(SecondErase, 1),
            |rules| rules.fence_follows_tries = false,
        ),
        bug(
            empty("gc deletes voids").with(Writer, 1).with(Erase, 1).with(Compact, 1).with(Gc, 1),
            |rules| rules.voids_stay = false,
        ),
        bug(published("an erasure leaves no mark").with(Rollup, 1).with(Erase, 1), |rules| {
            rules.erasure_marks = false;
        }),
        bug(
            published("gc deletes manifests, and an erasure does not look again")
                .with(Compact, 1)
                .with(Purge, 1)
                .with(Erase, 1)
                .with(Gc, 1),
            |rules| (rules.manifests_stay, rules.erase_looks_again) = (false, false),
        ),
        bug(
            empty("an erasure returns beside a generation in flight")
                .with(Compact, 1)
                .with(Erase, 1)
                .set(|it| (it.foreign, it.foreign_rewritten) = (true, true)),
            |rules| rules.erase_closes = false,
        ),
    ]
}

fn of_gc() -> Vec<PlantedBug> {
    vec![
        bug(
            published("gc deletes files of a generation without closing it")
                .with(Compact, 1)
                .with(Gc, 1),
            |rules| rules.gc_closes = false,
        ),
        bug(
            published("gc asks for no proof").with(Compact, 1).with(Gc, 1).set(|it| it.rot = true),
            |rules| rules.gc_proves = false,
        ),
        bug(
            empty("gc deletes foreign files")
                .with(Compact, 1)
                .with(Gc, 1)
                .set(|it| it.foreign = true),
            |rules| rules.foreign_stays = false,
        ),
    ]
}

fn of_purge_and_hints() -> Vec<PlantedBug> {
    vec![
        bug(
            published("remains do not carry their definition").with(Purge, 1).with(Define, 1),
            |rules| rules.remains_carry_definition = false,
        ),
        bug(
            published("a purge drops remains of an earlier definition")
                .with(Late, 1)
                .with(Purge, 2)
                .with(Define, 1),
            |rules| rules.remains_are_kept = false,
        ),
        bug(
            published("a purge does not read the newest definition again")
                .with(Purge, 1)
                .with(Define, 1),
            |rules| rules.definition_read_again = false,
        ),
        bug(
            published("a month's hint is current without its days' fingerprints")
                .with(Rollup, 3)
                .with(Late, 1)
                .set(|it| it.second_leaf_day = 1),
            |rules| rules.month_fingerprint = false,
        ),
    ]
}

fn of_readers() -> Vec<PlantedBug> {
    vec![
        bug(
            published("listings see manifests before data")
                .with(Compact, 1)
                .with(Gc, 1)
                .with(Query, 1),
            |rules| rules.data_first = false,
        ),
        bug(
            published("a day is called damaged after one listing")
                .with(Purge, 1)
                .with(Define, 1)
                .with(Query, 1),
            |rules| rules.damage_seen_twice = false,
        ),
        bug(
            empty("a foreign file is known by its listing key")
                .with(Compact, 1)
                .set(|it| (it.foreign, it.foreign_touched) = (true, true)),
            |rules| rules.foreign_by_content = false,
        ),
    ]
}

fn of_repair() -> Vec<PlantedBug> {
    vec![
        bug(
            published("files without intent are taken for unfinished ones")
                .with(Compact, 1)
                .with(Gc, 1)
                .set(|it| it.copy_without_manifests = true),
            |rules| rules.intents = false,
        ),
        bug(
            published("repair takes an incomplete set of files")
                .with(Compact, 1)
                .with(Repair, 1)
                .set(copied),
            |rules| rules.repair_complete = false,
        ),
        bug(
            published("repair chooses among two complete sets of files")
                .with(Compact, 1)
                .with(Erase, 1)
                .with(Repair, 1)
                .set(copied),
            |rules| rules.repair_single = false,
        ),
        bug(
            published("repair does not read the files")
                .with(Compact, 1)
                .with(Repair, 1)
                .set(copied)
                .set(|it| it.bad_writes = true),
            |rules| rules.repair_reads = false,
        ),
    ]
}
