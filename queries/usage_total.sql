-- asks: all usage, of one organization, or of the whole platform when $organization is NULL
-- params: organization, from, to
SELECT
  sum(cost) AS total_cost,
  count(*) AS total_calls,
  count(cost) AS priced_calls,
  sum(input_tokens) AS total_input_tokens,
  sum(cached_tokens) AS total_cached_tokens,
  sum(output_tokens) AS total_output_tokens,
  avg(cache_hit_rate) AS avg_cache_hit_rate,
  CAST(CAST(sum(cached_tokens) AS DECIMAL(30, 4)) / nullif(sum(input_tokens), 0) AS DECIMAL(38, 8))
    AS token_cache_hit_rate,
  sum(cost_priced) AS total_cost_priced,
  count(cost_priced) AS calls_with_price
FROM ai_usage_log
WHERE ($organization IS NULL OR organization_id = $organization)
  AND date BETWEEN CAST($from AS DATE) AND CAST($to AS DATE)
