//! The rules of the protocol. Each can be turned off, which plants a bug.

/// Which rules are kept.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each rule is turned off on its own")]
pub struct Rules {
    /// gc creates the manifest of a generation before it deletes files of it.
    pub gc_closes: bool,
    /// gc deletes only what whole, readable files of the newest manifest replace.
    pub gc_proves: bool,
    /// An intent precedes the files of a generation; a day with files without one is damaged.
    pub intents: bool,
    /// A day is damaged only if the same file lacks manifest and intent in two listings.
    pub damage_seen_twice: bool,
    /// A claim lists its leaves; a retry with other leaves is refused before it publishes.
    pub claim_lists_leaves: bool,
    /// An erasure voids the leaves that are claimed and not published.
    pub fence: bool,
    /// The fence includes days that have no object yet.
    pub fence_on_empty_days: bool,
    /// The fence follows the tries of a leaf beyond another erasure's void.
    pub fence_follows_tries: bool,
    /// Who meets a void looks whether the leaf was absorbed before.
    pub look_after_void: bool,
    /// The file of a void is never deleted.
    pub voids_stay: bool,
    /// Files are read back before a manifest names them.
    pub read_back: bool,
    /// A process that starts a rewriting again does so under a new attempt.
    pub new_attempts: bool,
    /// A writer that withdraws deletes its files before its intent.
    pub files_go_first: bool,
    /// A manifest carries everything that its predecessors absorbed.
    pub carry_absorbed: bool,
    /// An erasure marks the fingerprint of its day.
    pub erasure_marks: bool,
    /// A manifest whose name is taken by another attempt is a lost race.
    pub create_if_absent: bool,
    /// After a create without an answer the attempt in the manifest decides who created it.
    pub attempt_decides: bool,
    /// A listing sees data first and manifests last.
    pub data_first: bool,
    /// A generation absorbs exactly the leaves whose rows were read.
    pub absorb_what_was_read: bool,
    /// Manifests are never deleted.
    pub manifests_stay: bool,
    /// An erasure looks again after its manifest is committed.
    pub erase_looks_again: bool,
    /// An erasure closes a generation that is in flight before it concludes that no row is left.
    pub erase_closes: bool,
    /// The files of a generation are written before its manifest.
    pub data_before_manifest: bool,
    /// A rewriting writes a file even when no row is left.
    pub witness: bool,
    /// Leaf 0 of a claim is published before its other leaves.
    pub first_leaf_first: bool,
    /// Who gives up a claim looks afterwards whether its leaf 0 was absorbed.
    pub look_after_giving_up: bool,
    /// Who gives up a claim stops at a damaged day.
    pub give_up_needs_whole_day: bool,
    /// A writer that meets the void of a given-up claim stops.
    pub stop_at_given_up: bool,
    /// Who gives up a claim follows the tries of leaf 0 beyond voids of erasures.
    pub give_up_follows_tries: bool,
    /// Remains carry their definition.
    pub remains_carry_definition: bool,
    /// A purge keeps the remains that the day has, of whatever definition.
    pub remains_are_kept: bool,
    /// A purge reads the newest definition again just before its commit.
    pub definition_read_again: bool,
    /// A month's hint is current only by the fingerprints of its days.
    pub month_fingerprint: bool,
    /// The identity of a foreign file is its path and its content, not its listing key.
    pub foreign_by_content: bool,
    /// gc never deletes a foreign file.
    pub foreign_stays: bool,
    /// `repair` takes only a complete set of files.
    pub repair_complete: bool,
    /// `repair` refuses when the highest generation has more than one complete set.
    pub repair_single: bool,
    /// `repair` reads the files whole before it names them.
    pub repair_reads: bool,
}

impl Rules {
    /// The protocol.
    pub const ALL: Self = Self {
        gc_closes: true,
        gc_proves: true,
        intents: true,
        damage_seen_twice: true,
        claim_lists_leaves: true,
        fence: true,
        fence_on_empty_days: true,
        fence_follows_tries: true,
        look_after_void: true,
        voids_stay: true,
        read_back: true,
        new_attempts: true,
        files_go_first: true,
        carry_absorbed: true,
        erasure_marks: true,
        create_if_absent: true,
        attempt_decides: true,
        data_first: true,
        absorb_what_was_read: true,
        manifests_stay: true,
        erase_looks_again: true,
        erase_closes: true,
        data_before_manifest: true,
        witness: true,
        first_leaf_first: true,
        look_after_giving_up: true,
        give_up_needs_whole_day: true,
        stop_at_given_up: true,
        give_up_follows_tries: true,
        remains_carry_definition: true,
        remains_are_kept: true,
        definition_read_again: true,
        month_fingerprint: true,
        foreign_by_content: true,
        foreign_stays: true,
        repair_complete: true,
        repair_single: true,
        repair_reads: true,
    };
}
