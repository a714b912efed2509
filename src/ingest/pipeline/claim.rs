//! Claims on batch ids. A claim is made before any leaf and says which rows its batch id stands
//! for. A retry is compared with the claim.

use crate::{
    base::{Day, Error, Result, failpoint},
    ingest::{
        AppendContext,
        pipeline::{restage::with_ids_of, stage::Staged},
    },
    model::{BatchId, LeafId},
    store::{
        Claim, ClaimedLeaf, Void, Voiding, create_claim, create_void, hints_of, is_absorbed,
        leaf_at, leaf_path, newest_claim,
    },
};

/// What is known about a batch id before its rows are read.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The newest claim; `None` when there is none, or when it was given up.
    pub(crate) claim: Option<Claim>,
    /// The number of the next claim.
    pub(crate) next: u32,
}

/// Finds the claim that stands for a batch id: the newest one, unless it was given up.
///
/// # Errors
/// `Corrupt` when a claim is damaged or lost; `Conflict` when a program of format 1 appended the
/// batch; any error of reading the store.
pub(crate) async fn standing_claim(
    context: AppendContext<'_>,
    batch: &BatchId,
) -> Result<Standing> {
    let Some(newest) = newest_claim(context.root, batch).await? else {
        return Ok(Standing::default());
    };
    let next = newest.number + 1;
    let claim = if is_given_up(context, &newest).await? { None } else { Some(newest) };
    Ok(Standing { claim, next })
}

async fn is_given_up(context: AppendContext<'_>, claim: &Claim) -> Result<bool> {
    let Some(first) = claim.leaves.first() else { return Ok(false) };
    let (day, id) = claim.leaf(first, 0)?;
    let found = leaf_at(context.root, &leaf_path(day, &id)).await?;
    if found.is_none_or(|leaf| leaf.void != Some(Void::GivenUp)) {
        return Ok(false);
    }
    // The void alone proves nothing. The leaf may have been published, absorbed and deleted
    // before the void was created.
    is_absorbed(context.root, day, &id).await.map(|absorbed| !absorbed)
}

/// The result of claiming a batch id.
pub(crate) enum Claimed {
    /// This run made the claim with that number.
    New(u32),
    /// The id was claimed before, for the same leaves, by the claim with that number.
    Before(u32),
    /// The id was claimed before, for the same rows in another order. All leaves of that claim
    /// are published.
    Done,
}

/// Claims a batch id for the staged rows, or finds that the id already stands for them. If the
/// existing claim is for other rows, and none of its leaves was published, that claim is given up
/// and a new claim replaces it. `rules` is the definition and the date that the rows were read
/// by. `now` is the current definition and date. The two may differ when an old claim stands.
///
/// # Errors
/// `Conflict` when the id stands for other rows, or when it stands for the same rows in another
/// order and not all leaves are published; nothing was changed. `Conflict`, too, when a claim for
/// other rows was given up but `rules` differs from `now`: the rows must be read again. `Corrupt`
/// when a published leaf of the claim is lost.
pub(crate) async fn claim(
    context: AppendContext<'_>,
    batch: &BatchId,
    mut standing: Standing,
    (rules, now): ((u32, Day), (u32, Day)),
    staged: &mut Staged,
) -> Result<Claimed> {
    loop {
        if let Some(claim) = &standing.claim {
            if claim.content == staged.content {
                return same_rows(context, claim, staged).await;
            }
            give_up(context, batch, claim).await?;
            if rules != now {
                return Err(Error::conflict(format!(
                    "batch `{batch}` was claimed under another definition, or on another day, for \
                     other rows, of which nothing was published; that claim was given up now. \
                     Append these rows again"
                )));
            }
            standing = Standing { next: claim.number + 1, claim: None };
        }
        with_ids_of(context, batch, standing.next, staged)?;
        let leaves = staged.leaves.iter().map(|leaf| ClaimedLeaf {
            date: leaf.day.to_string(),
            part: leaf.footer.part,
            content: leaf.footer.content.clone(),
        });
        let content = staged.content.clone();
        let wanted = Claim::new(batch, standing.next, rules, content, leaves.collect());
        if create_claim(context.root, context.staging, batch, &wanted).await? {
            if standing.next == 0 {
                failpoint("append.claim");
            } else {
                failpoint("append.next_claim");
            }
            return Ok(Claimed::New(standing.next));
        }
        // Another run created the claim with that number first.
        standing = standing_claim(context, batch).await?;
    }
}

/// Compares the leaves of a retry with the leaves of the claim for the same rows.
async fn same_rows(
    context: AppendContext<'_>,
    claim: &Claim,
    staged: &mut Staged,
) -> Result<Claimed> {
    let batch = BatchId::try_new(claim.batch.clone())?;
    with_ids_of(context, &batch, claim.number, staged)?;
    let is_claimed = |claimed: &ClaimedLeaf| {
        let mut leaves = staged.leaves.iter();
        leaves.any(|leaf| {
            leaf.day.to_string() == claimed.date
                && leaf.footer.part == claimed.part
                && leaf.footer.content == claimed.content
        })
    };
    if claim.leaves.len() == staged.leaves.len() && claim.leaves.iter().all(is_claimed) {
        return Ok(Claimed::Before(claim.number));
    }
    // The order of the rows decides where a batch is cut into leaves.
    for leaf in &claim.leaves {
        if !is_published(context, claim, leaf).await? {
            return Err(Error::conflict(format!(
                "batch `{batch}` holds the same rows in another order, and the append that began it \
                 was cut off; nothing was changed. Append them in the order of then"
            )));
        }
    }
    Ok(Claimed::Done)
}

/// Whether a leaf of the claim is visible or was absorbed, under the name of any attempt.
async fn is_published(
    context: AppendContext<'_>,
    claim: &Claim,
    leaf: &ClaimedLeaf,
) -> Result<bool> {
    for attempt in 0_u32.. {
        let (day, id) = claim.leaf(leaf, attempt)?;
        match leaf_at(context.root, &leaf_path(day, &id)).await? {
            Some(found) if found.void.is_none() => return Ok(true),
            Some(_) if is_absorbed(context.root, day, &id).await? => return Ok(true),
            Some(_) => {}
            None => return is_absorbed(context.root, day, &id).await,
        }
    }
    Ok(false)
}

/// Makes sure that no leaf of a claim will ever be visible, by taking the name of the leaf that
/// is published first.
///
/// # Errors
/// `Conflict` when a leaf of the claim was published, or when an erasure took the first leaf's
/// name: the batch stands. `Corrupt` when the first leaf was published and is lost.
async fn give_up(context: AppendContext<'_>, batch: &BatchId, claim: &Claim) -> Result<()> {
    let stands = || {
        Error::conflict(format!(
            "batch `{batch}` was appended with other rows; nothing was changed. Append these under \
             another id, or the same rows under this one"
        ))
    };
    let first = claim.leaves.first().ok_or_else(stands)?;
    let (day, id): (Day, LeafId) = claim.leaf(first, 0)?;
    let AppendContext { root, dataset, staging, .. } = context;
    // The first leaf is published before the others. If another leaf is there and the first one
    // is not, the first one is lost.
    for leaf in &claim.leaves {
        let (day, id) = claim.leaf(leaf, 0)?;
        let found = leaf_at(root, &leaf_path(day, &id)).await?;
        let is_published = found.is_some_and(|found| found.void.is_none());
        if is_published || is_absorbed(root, day, &id).await? {
            return Err(stands());
        }
    }
    if leaf_at(root, &leaf_path(day, &id)).await?.is_none()
        && let Some(hint) = hints_of(root, dataset, day, &id).await?.first()
    {
        return Err(Error::corrupt(format!(
            "batch `{batch}` was appended, and its leaf {id} of {day} is lost: {} was built from it; \
             nothing was changed. Copy the leaf again, or append the batch's own rows again; \
             append other rows under another id",
            root.full_name(&hint.file.location)
        )));
    }
    let of_leaf = (claim.batch.as_str(), claim.number, day, &id);
    match create_void(root, staging, dataset, of_leaf, Void::GivenUp).await? {
        Voiding::Done => failpoint("append.give_up"),
        Voiding::Taken(found) if found.void == Some(Void::GivenUp) => {}
        // The leaf was published, or an erasure took its name after the batch was begun.
        Voiding::Taken(_) => return Err(stands()),
    }
    // The leaf may have been published, absorbed and deleted before the void was created.
    if is_absorbed(root, day, &id).await? { Err(stands()) } else { Ok(()) }
}
