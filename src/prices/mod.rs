//! Layer 2: price tables, and the cost of one call by such a table. Pure: no input and no output.
//!
//! **A table** has entries: a model of a provider, with rates in US dollars for each class of
//! tokens. [`PriceTable::parse`] reads two shapes: that of [`genai-prices`], in which the table
//! that comes with the program is written too, and that of LiteLLM's
//! `model_prices_and_context_window.json`.
//!
//! **The cost of a call** is exact. Rates are whole numbers of 10⁻²⁴ dollars, token counts are
//! integers, and the sum is rounded once, half away from zero, to 12 places:
//!
//! ```text
//! (input − cached − written) × input rate
//! + cached × cache read rate
//! + (written − written for 1 h) × cache write rate + written for 1 h × 1 h write rate
//! + (output − reasoning) × output rate + reasoning × reasoning rate
//! ```
//!
//! | rule | |
//! |---|---|
//! | size | rates may rise with the prompt: the whole call is priced by all of its input tokens, strictly above a threshold |
//! | time | the rates at the call's time count: start dates, and hours of the day in UTC |
//! | tier | a service tier, or a batch, has rates of its own, which come before those of size. Classes that it doesn't price keep the standard rate |
//! | tier without rates | `batch`, `flex` and `priority` cost the standard rate, and the report says so. Of any other tier, and of one that the table prices only later: no price |
//! | missing rate | reading or writing a cache costs the input rate, an hour's write the write rate, and reasoning the output rate |
//! | written, without a split | the rate of the short write, and the report says so |
//! | model | the name as it is, then without its date, then without a provider's prefix: see [`model_name`]. Never a part of a name |
//! | provider | the call's provider, or one whose models it sells at their standard rates. If none is said: the model's maker, or any provider if all agree. If the table doesn't know it: the maker, and the report says so |
//! | other units | a model whose output may be images or audio, or that costs something a request, has no price, as tokens don't tell it. Searches, and images or audio in a prompt, are left out of the cost |
//! | unknown counts | no price, unless the class costs nothing |
//! | odd counts | no price: more cached or written tokens than input, more reasoning than output, negative counts |
//!
//! What has no price is counted by its reason, and never costs 0.
//!
//! [`genai-prices`]: https://github.com/pydantic/genai-prices

mod call;
mod condition;
mod entry;
mod genai_prices;
mod litellm;
mod model_name;
mod price_rows;
mod provider;
mod rate;
mod table;

pub(crate) use price_rows::{PricedCounts, price_rows};
pub use table::PriceTable;
