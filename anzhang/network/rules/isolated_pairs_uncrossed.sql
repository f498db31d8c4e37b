/* +++
name = "isolated_pairs_uncrossed"
title = "No flow crosses a pair of networks that are kept apart, without a link that the leading group approved"
streams = ["flow_event"]
registers = ["link", "link_network", "link_port", "approval", "zone", "zone_network", "unit"]
parameters = ["isolated_pairs"]
window_days = 7
mode = "append"
+++ */
-- Who spoke with whom on a Beijing day, and that flows were told at all.
SELECT source_ip, destination_ip, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day, min(timestamp) AS first_at, max(timestamp) AS last_at,
       count(*) AS times, arg_min(line, timestamp) AS first_line, arg_max(line, timestamp) AS last_line
FROM flow_event WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
GROUP BY source_ip, destination_ip, day;

-- Art. 9, obligation A09.1. A flow crosses a pair of kinds (`business-internet`) when its ends lie in a zone of each, either way; an address
-- of the internet is one in no zone of the bureau's own. A link covers it if it joins those zones, its prefixes hold both addresses, and it
-- was believed and held then; one that was recorded later and reaches back makes it regularized. Of a day the first and the last contact
-- are judged. What was not seen for a week is over. Whether a path could be used that nobody uses is asked of no flow.
WITH
pair AS (
    SELECT DISTINCT split_part(name, '-', 1) AS one, split_part(name, '-', 2) AS two, name FROM (SELECT unnest($isolated_pairs) AS name)
),
fact AS (
    SELECT source_ip, destination_ip, day, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE last_at > $since GROUP BY source_ip, destination_ip, day
),
address AS (SELECT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact)),
-- part: network/zones
-- part: network/sides
-- `inner_ip` lies in a zone of the bureau's own; of two such zones the first of the pair's name.
crossing AS (
    SELECT row_number() OVER (ORDER BY s.source_ip, s.destination_ip, s.day, p.name) AS n, p.name AS pair, s.first_at, s.last_at, s.times,
           s.first_line, s.last_line, s.source_ip, s.destination_ip, NULL::VARCHAR AS protocol, NULL::INTEGER AS port,
           CASE WHEN s.x_kind = p.one THEN s.source_ip ELSE s.destination_ip END AS inner_ip,
           CASE WHEN s.x_kind = p.one THEN s.destination_ip ELSE s.source_ip END AS outer_ip,
           CASE WHEN s.x_kind = p.one THEN s.x_zone ELSE s.y_zone END AS inner_zone,
           CASE WHEN s.x_kind = p.one THEN s.y_zone ELSE s.x_zone END AS outer_zone
    FROM sided s JOIN pair p ON (s.x_kind = p.one AND s.y_kind = p.two) OR (s.x_kind = p.two AND s.y_kind = p.one)
    WHERE s.x_kind <> s.y_kind
),
-- part: network/covered
told AS (
    SELECT c.*, z.code AS zone_code, z.name AS zone, z.unit, j.state
    FROM crossing c JOIN judged j ON j.n = c.n JOIN own_zone z ON z.id = c.inner_zone
),
watched AS (SELECT * FROM own_zone WHERE kind IN (SELECT one FROM pair UNION SELECT two FROM pair)),
alive AS (SELECT count(*) > 0 AS yes FROM facts WHERE last_at > $since)
SELECT 'subject' AS kind, 'zone:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watched
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, 'zone:' || zone_code, any_value(zone), any_value(unit), NULL, 'isolated_pair_crossed',
       to_json({
           'zone': any_value(zone), 'pair': pair, 'source': arg_max(source_ip, last_at), 'destination': arg_max(destination_ip, last_at),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times),
           'ways': count(DISTINCT inner_ip || ' ' || outer_ip)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), pair
FROM told WHERE state IN ('no', 'later') GROUP BY zone_code, pair, state
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_flows_of_pairs', to_json({'zones': count(*)}), NULL, NULL, ''
FROM watched, alive WHERE NOT alive.yes GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM watched) = 0
ORDER BY ALL
