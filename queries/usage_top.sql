-- asks: the $top of {by} with the highest cost, and one row for all others, so that rows add up
-- params: by, organization, from, to, top
WITH each AS (
  SELECT
    {by},
    sum(cost) AS total_cost,
    count(*) AS total_calls,
    sum(input_tokens) AS total_input_tokens,
    sum(cached_tokens) AS total_cached_tokens,
    sum(output_tokens) AS total_output_tokens,
    sum(cache_hit_rate) AS rates,
    count(cache_hit_rate) AS rated,
    sum(cost_priced) AS total_cost_priced,
    count(cost_priced) AS calls_with_price
  FROM ai_usage_log
  WHERE ($organization IS NULL OR organization_id = $organization)
    AND date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
  GROUP BY 1
),
ranked AS (
  SELECT
    *,
    least(row_number() OVER (ORDER BY {cost_order}), CAST($top AS BIGINT) + 1) AS place
  FROM each
)
SELECT
  CASE WHEN place <= CAST($top AS BIGINT) THEN CAST(min({name}) AS TEXT)
    ELSE concat('other (', count(*), ')') END AS {name},
  sum(total_cost) AS total_cost,
  sum(total_calls) AS total_calls,
  sum(total_input_tokens) AS total_input_tokens,
  sum(total_cached_tokens) AS total_cached_tokens,
  sum(total_output_tokens) AS total_output_tokens,
  CAST(sum(rates) / nullif(sum(rated), 0) AS DECIMAL(22, 12)) AS avg_cache_hit_rate,
  sum(total_cost_priced) AS total_cost_priced,
  sum(calls_with_price) AS calls_with_price
FROM ranked
GROUP BY place
ORDER BY place
