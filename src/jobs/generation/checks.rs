//! Checks of the raw files that a day's next generation is made from.

use std::sync::Arc;

use arrow::{
    array::AsArray as _,
    datatypes::{DataType, Date32Type},
};
use datafusion::logical_expr::{cast, ident};

use super::next::location;
use crate::{
    base::{Day, Error, Result},
    exec::FileTable,
    jobs::JobContext,
    model::{Absorbed, ContentHash, ContentHasher, DATE_COLUMN, Leaf, LeafKind, Manifest},
    store::{FileCheck, Root, check_file, file_footer, hash_now, read_metadata},
};

/// The hash of the rows that the leaves were written with; `None` when one of them is another
/// tool's file, whose rows have no hash. The hash in the manifest must equal that of its files'
/// footers.
///
/// # Errors
/// `Corrupt` when these hashes differ, or when a file holds no raw rows; `NotFound` when a file
/// is gone; `Unavailable` when the store refuses.
pub(crate) async fn expected_content(
    context: JobContext<'_>,
    base: Option<&Manifest>,
    leaves: &[Arc<Leaf>],
) -> Result<Option<ContentHash>> {
    let (mut all, mut merged) = (ContentHasher::default(), ContentHasher::default());
    let (mut unknown, mut is_merged) = (false, false);
    for leaf in leaves {
        if leaf.kind == LeafKind::Foreign {
            unknown = true;
            continue;
        }
        let footer = file_footer(context.root, &leaf.file).await?;
        let content = footer.content().ok_or_else(|| {
            let name = context.root.full_name(&leaf.file.location);
            Error::corrupt(format!("{name}: holds no raw rows"))
        })?;
        all.add_hashed(content)?;
        if leaf.kind == LeafKind::Compacted {
            is_merged = true;
            merged.add_hashed(content)?;
        }
    }
    let merged = merged.finish();
    if let Some(base) = base
        && is_merged
        && base.content != merged
    {
        return Err(Error::corrupt(format!(
            "{}: the files of generation {} hold {merged}, and their manifest says {}; nothing was \
             changed",
            base.date, base.generation, base.content
        )));
    }
    Ok((!unknown).then(|| all.finish()))
}

/// Makes sure that the dataset has every column of our own files. A process that was started
/// before the definition was replaced, or that lacks the newest definition, would drop the values
/// of a column that it doesn't know.
///
/// # Errors
/// `Conflict`, naming the file and the column, when the dataset lacks a column; `NotFound` when a
/// file is gone; `Unavailable` when the store refuses.
pub(crate) async fn check_columns_known(
    context: JobContext<'_>,
    leaves: &[Arc<Leaf>],
) -> Result<()> {
    for leaf in leaves.iter().filter(|leaf| leaf.kind != LeafKind::Foreign) {
        let metadata = read_metadata(context.root, &leaf.file).await?;
        let columns = metadata.file_metadata().schema_descr().root_schema().get_fields();
        let unknown = columns.iter().find(|column| context.dataset.column(column.name()).is_none());
        if let Some(column) = unknown {
            return Err(Error::conflict(format!(
                "{}: has a column `{}`, which this definition lacks: it was replaced meanwhile, or \
                 a newer one in `definitions/` is gone; nothing was changed, try again",
                context.root.full_name(&leaf.file.location),
                column.name()
            )));
        }
    }
    Ok(())
}

/// Makes sure that the files of other tools among `leaves` still have the bytes that were absorbed.
/// Their owners may replace them at any time, so this comes after their rows were read.
///
/// # Errors
/// `Corrupt`, naming the file, when its owner replaced it; `NotFound` when a file is gone;
/// `Unavailable` when the store refuses.
pub(crate) async fn check_still_absorbed(
    context: JobContext<'_>,
    leaves: &[Arc<Leaf>],
    absorbed: &[Absorbed],
) -> Result<()> {
    for leaf in leaves.iter().filter(|leaf| leaf.kind == LeafKind::Foreign) {
        let known = absorbed.iter().find(|absorbed| absorbed.id == leaf.id);
        let known = known.and_then(|absorbed| absorbed.foreign.as_ref());
        let now = hash_now(context.root, &leaf.file).await?;
        if known.is_none_or(|known| known.blake3 != now) {
            return Err(Error::corrupt(format!(
                "{}: its owner replaced it while it was read; nothing was changed, try again",
                context.root.full_name(&leaf.file.location)
            )));
        }
    }
    Ok(())
}

/// Reads all files that the manifest names whole, and compares their bytes with their footers and
/// with the manifest.
///
/// # Errors
/// `Corrupt`, naming the file, when it is missing or differs; `Unavailable` when the store
/// refuses.
pub(crate) async fn check_named(root: &Root, day: Day, manifest: &Manifest) -> Result<()> {
    let remains = manifest.remains.iter().map(|remains| &remains.file);
    for file in manifest.files.iter().chain(remains) {
        let path = location(day, file);
        let name = || root.full_name(&path);
        let Some(found) = root.look(&path).await? else {
            return Err(Error::corrupt(format!(
                "{}: the manifest of generation {} names this file, and it is gone",
                name(),
                manifest.generation
            )));
        };
        if let FileCheck::Damaged(what) = check_file(root, &found).await? {
            return Err(what.about(name()));
        }
        let is_it = file.blake3.is_empty()
            || (found.size == file.bytes && hash_now(root, &found).await? == file.blake3);
        if !is_it {
            return Err(Error::corrupt(format!(
                "{}: is not the file that the manifest of generation {} names",
                name(),
                manifest.generation
            )));
        }
    }
    Ok(())
}

/// Reads each raw file whole, and compares its bytes with its footer and with the manifest.
///
/// # Errors
/// `Corrupt`, naming the file, when it differs; `NotFound` when a file is gone; `Unavailable`
/// when the store refuses.
pub(crate) async fn check_sources(
    context: JobContext<'_>,
    base: Option<&Manifest>,
    leaves: &[Arc<Leaf>],
) -> Result<()> {
    for leaf in leaves {
        if let FileCheck::Damaged(what) = check_file(context.root, &leaf.file).await? {
            return Err(what.about(context.root.full_name(&leaf.file.location)));
        }
    }
    expected_content(context, base, leaves).await?;
    let Some(base) = base else { return Ok(()) };
    let day = leaves.first().map(|leaf| leaf.day);
    for (file, leaf) in base.files.iter().filter_map(|file| {
        let path = location(day?, file);
        Some((file, leaves.iter().find(|leaf| leaf.file.location == path)?))
    }) {
        // A manifest of format 1 has no hash of the file, so only the footer is compared.
        let differs =
            !file.blake3.is_empty() && hash_now(context.root, &leaf.file).await? != file.blake3;
        if differs {
            let name = context.root.full_name(&leaf.file.location);
            return Err(Error::corrupt(format!(
                "{name}: is not the file that the manifest names; nothing was changed"
            )));
        }
    }
    Ok(())
}

/// Makes sure that each file holds only rows of the day in whose folder the file is.
///
/// # Errors
/// `Corrupt`, naming the file, when a row is of another day; or the error from reading the file.
pub(crate) async fn check_days(context: JobContext<'_>, leaves: &[Arc<Leaf>]) -> Result<()> {
    for leaf in leaves {
        if let Some(outside) = first_outside(context, leaf).await? {
            let name = context.root.full_name(&leaf.file.location);
            return Err(Error::corrupt(format!(
                "{name}: holds {outside} in the folder of {}; nothing was changed",
                leaf.day
            )));
        }
    }
    Ok(())
}

/// The day of the first row that isn't of the file's own day; `None` when there is no such row.
///
/// # Errors
/// The error from reading the file.
pub(crate) async fn first_outside(context: JobContext<'_>, leaf: &Leaf) -> Result<Option<String>> {
    let table = FileTable::of_leaves(context.root, context.dataset, &[Arc::new(leaf.clone())]);
    let day = cast(ident(context.dataset.time_column()), DataType::Date32);
    // A row without a time is of no day.
    let is_inside = day.clone().eq(ident(DATE_COLUMN));
    let rows = context
        .session
        .read_table(Arc::new(table))
        .and_then(|rows| rows.filter(is_inside.is_not_true()))
        .and_then(|rows| rows.select(vec![day]))
        .and_then(|rows| rows.limit(0, Some(1)))?;
    let rows = rows.collect().await?;
    let first =
        rows.iter().find_map(|batch| batch.column(0).as_primitive::<Date32Type>().iter().next());
    let in_words = |day: Option<i32>| match day {
        Some(day) => format!("a row of {}", Day::from_epoch_days(day)),
        None => "a row without a time".to_owned(),
    };
    Ok(first.map(in_words))
}
