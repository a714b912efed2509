//! The one sequence that rewrites a day: snapshot, intent, data, read back, commit, tag.

use crate::actor::Actor;
use crate::day::{DataFiles, Key, Manifest};
use crate::erase::{Erase, EraseStage};
use crate::invariants::Violation;
use crate::leaf::{Ids, Leaf};
use crate::process::{ANSWER_LOST, BAD_WRITE, Process, REQUEST_LOST};
use crate::rows::Rows;
use crate::scenario::Scenario;
use crate::state::{Foreign, State};
use crate::view::View;
use std::sync::Arc;

/// A process that rewrites a day, between two steps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// What it does next.
    pub stage: RewriteStage,
    /// What for.
    pub kind: Kind,
    /// The day.
    pub day: u8,
    /// The new generation, and the attempt.
    pub key: Key,
    /// The files of the generation before, which it reads.
    pub source: Option<Key>,
    /// The leaves, voids and foreign files that it reads.
    pub taken: Ids,
    /// The foreign file as the snapshot has shown it.
    pub foreign: Option<Foreign>,
    /// The rows of the new generation.
    pub rows: Rows,
    /// How many parts are written.
    pub parts: u8,
    /// Whether they were written without damage.
    pub intact: bool,
    /// The manifest to commit.
    pub manifest: Arc<Manifest>,
    /// The definition that a purge computes remains for.
    pub definition: u8,
    /// The newest definition when the files had been read back. Only invariants look at it.
    pub definition_then: u8,
}

/// What a day is rewritten for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Fewer files.
    Compact,
    /// Remains in place of rows.
    Purge,
    /// Without matching rows. The erasure looks at this day again afterwards.
    Erase(Erase),
}

/// The next step of a process that rewrites a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RewriteStage {
    /// Create the intent.
    Intent,
    /// Read the sources, and write the next part.
    Data,
    /// Read the new files; a purge reads the newest definition again.
    ReadBack,
    /// Create the manifest.
    Commit,
    /// No answer: read the manifest.
    Unclear,
    /// Delete the next part of the own files.
    LostFiles,
    /// Delete the own intent.
    LostIntent,
    /// Create the tag.
    Tag,
    /// Delete the intent.
    IntentDeleted,
}

impl RewriteStage {
    /// The transition that the next step takes.
    #[must_use]
    pub const fn transition(self) -> &'static str {
        match self {
            Self::Intent => "rewrite.intent",
            Self::Data => "rewrite.data",
            Self::ReadBack => "rewrite.read_back",
            Self::Commit | Self::Unclear => "rewrite.commit",
            Self::LostFiles | Self::LostIntent => "rewrite.lost",
            Self::Tag => "rewrite.tag",
            Self::IntentDeleted => "rewrite.intent_deleted",
        }
    }
}

impl Scenario {
    /// Plans to rewrite a day, by a snapshot. A day at the last generation is left alone.
    pub(crate) fn begin_rewrite(
        &self,
        state: &mut State,
        actor: Actor,
        mut kind: Kind,
        day: usize,
        view: &View,
    ) {
        let Ok(mut rows) = view.rows else { return };
        if view.newest >= Self::GENERATIONS_MAX {
            return;
        }
        let mut rewriting = 0;
        if let Kind::Erase(erase) = &mut kind {
            rows = rows.without(self.matched_by(actor));
            if self.rules.new_attempts {
                rewriting = erase.rewritings;
                erase.rewritings += 1;
            }
        }
        if rewriting >= State::REWRITINGS_MAX {
            return;
        }
        let key = Key { generation: view.newest + 1, attempt: state.attempt_of(actor, rewriting) };
        if kind == Kind::Purge && view.purged() && !self.rules.remains_are_kept {
            rows = state.rows_in(view.loose);
        }
        let manifest = self.manifest_of(state, view, kind, key, rows);
        let rewrite = Rewrite {
            stage: RewriteStage::Intent,
            kind,
            day: u8::from(day != 0),
            key,
            source: view.manifest.as_ref().and_then(|before| before.named),
            taken: view.loose,
            foreign: if day == 0 { state.foreign } else { None },
            rows,
            parts: 0,
            intact: true,
            manifest: Arc::new(manifest),
            definition: state.definitions,
            definition_then: state.definitions,
        };
        state.goes_on(actor, Process::Rewrite(Arc::new(rewrite)));
    }

    fn manifest_of(
        &self,
        state: &State,
        view: &View,
        kind: Kind,
        key: Key,
        rows: Rows,
    ) -> Manifest {
        let nothing = Manifest::default();
        let before = view.manifest.as_deref().unwrap_or(&nothing);
        let carried = if self.rules.carry_absorbed { before.absorbed } else { Ids::NONE };
        let voids =
            view.loose.leaves().filter(|id| state.leaf(*id).is_void()).fold(Ids::NONE, Ids::and);
        let purged = before.purged || kind == Kind::Purge;
        let keeps = before.purged && (self.rules.remains_are_kept || kind != Kind::Purge);
        let remains = match (purged, keeps) {
            (false, _) => 0,
            (true, true) => before.remains,
            (true, false) => 1 << state.definitions,
        };
        let marks = match kind {
            Kind::Erase(_) if self.rules.erasure_marks => before.marks | 1 << key.generation,
            _ => before.marks,
        };
        Manifest {
            attempt: key.attempt,
            absorbed: carried.or(view.loose),
            as_void: before.as_void.or(voids),
            marks,
            named: (self.rules.witness || rows != Rows::NONE).then_some(key),
            purged,
            remains,
            foreign_key: state.foreign.map_or(0, |file| file.key),
        }
    }

    /// The next step of a process that rewrites a day.
    pub(crate) fn step_rewrite(
        &self,
        state: &mut State,
        actor: Actor,
        mut rewrite: Rewrite,
        choice: u8,
    ) {
        let day = usize::from(rewrite.day);
        let next = match rewrite.stage {
            RewriteStage::Intent => {
                if self.rules.intents {
                    state.day_mut(day).create_intent(rewrite.key);
                }
                let data_first = self.rules.data_before_manifest;
                Some(if data_first { RewriteStage::Data } else { RewriteStage::Commit })
            }
            RewriteStage::Data => self.write(state, &mut rewrite, choice),
            RewriteStage::ReadBack => {
                rewrite.definition_then = state.definitions;
                let damaged = self.rules.read_back && !rewrite.intact;
                let replaced = rewrite.kind == Kind::Purge
                    && self.rules.definition_read_again
                    && rewrite.definition != state.definitions;
                let withdraws = damaged || replaced;
                Some(match (withdraws, self.rules.files_go_first) {
                    (false, _) => RewriteStage::Commit,
                    (true, true) => RewriteStage::LostFiles,
                    (true, false) => RewriteStage::LostIntent,
                })
            }
            RewriteStage::Commit => Some(self.commit(state, &rewrite, choice)),
            RewriteStage::Unclear => {
                let there = state.days[day].manifest(rewrite.key.generation);
                Some(match there {
                    None => RewriteStage::Commit,
                    Some(manifest)
                        if manifest.attempt == rewrite.key.attempt
                            && self.rules.attempt_decides =>
                    {
                        RewriteStage::Tag
                    }
                    Some(_) => RewriteStage::LostFiles,
                })
            }
            RewriteStage::LostFiles => {
                let gone = state.day_mut(day).delete_part(rewrite.key);
                Some(if gone { RewriteStage::LostIntent } else { RewriteStage::LostFiles })
            }
            RewriteStage::Tag => Some(RewriteStage::IntentDeleted),
            RewriteStage::LostIntent | RewriteStage::IntentDeleted => {
                state.day_mut(day).delete_intent(rewrite.key);
                None
            }
        };
        if let Some(stage) = next {
            state.goes_on(actor, Process::Rewrite(Arc::new(Rewrite { stage, ..rewrite })));
        } else if let Kind::Erase(erase) = rewrite.kind {
            if self.rules.erase_looks_again || rewrite.stage != RewriteStage::IntentDeleted {
                state.goes_on(actor, erase.at(EraseStage::Look(rewrite.day)));
            } else {
                self.leave_day(state, actor, erase, rewrite.day);
            }
        }
    }

    /// Reads the sources and writes one part. None: a source is gone or has changed.
    fn write(&self, state: &mut State, rewrite: &mut Rewrite, choice: u8) -> Option<RewriteStage> {
        let day = usize::from(rewrite.day);
        let leaves = rewrite.taken.leaves().all(|id| state.leaf(id) != Leaf::Absent);
        let source = rewrite.source.is_none_or(|key| {
            let files = state.days[day].data_files(key);
            files.is_some_and(|files| files.intact && files.parts == self.parts)
        });
        let foreign = rewrite.foreign.is_none_or(|file| {
            file.id().common(rewrite.taken).is_empty() || state.foreign == Some(file)
        });
        let reads_now = !self.rules.absorb_what_was_read;
        if !(leaves && source && (foreign || reads_now)) {
            return None;
        }
        if reads_now {
            let now = self.view(state, day);
            if now.newest + 1 == rewrite.key.generation {
                let absorbed = rewrite.manifest.absorbed.or(now.loose);
                rewrite.manifest = Arc::new(Manifest { absorbed, ..(*rewrite.manifest).clone() });
            }
        }
        let intact = choice != BAD_WRITE;
        rewrite.intact &= intact;
        rewrite.parts += 1;
        if rewrite.manifest.named.is_some() {
            let footer = self.copy_without_manifests.then(|| Arc::clone(&rewrite.manifest));
            let (key, rows) = (rewrite.key, rewrite.rows);
            state.day_mut(day).write_part(DataFiles { key, parts: 1, rows, intact, footer });
        }
        Some(if rewrite.parts < self.parts {
            RewriteStage::Data
        } else if self.rules.data_before_manifest {
            RewriteStage::ReadBack
        } else {
            RewriteStage::Tag
        })
    }

    /// Creates the manifest: the commit point.
    fn commit(&self, state: &mut State, rewrite: &Rewrite, choice: u8) -> RewriteStage {
        if choice == REQUEST_LOST {
            return RewriteStage::Unclear;
        }
        let generation = rewrite.key.generation;
        let day = usize::from(rewrite.day);
        let manifest = Arc::clone(&rewrite.manifest);
        if !self.rules.create_if_absent {
            state.day_mut(day).manifests.retain(|(number, _)| *number != generation);
        }
        let created = state.day_mut(day).create_manifest(generation, manifest);
        let says = rewrite.manifest.remains;
        if created && rewrite.kind == Kind::Purge && says == 1 << rewrite.definition {
            let replaced = rewrite.definition < rewrite.definition_then;
            if replaced {
                state.violate(Violation::DefinitionMissed);
            }
        }
        match (choice, created) {
            (ANSWER_LOST, _) => RewriteStage::Unclear,
            (_, false) => RewriteStage::LostFiles,
            (_, true) if self.rules.data_before_manifest => RewriteStage::Tag,
            (_, true) => RewriteStage::Data,
        }
    }
}
