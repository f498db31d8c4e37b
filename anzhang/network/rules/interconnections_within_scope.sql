/* +++
name = "interconnections_within_scope"
title = "An interconnection carries what was approved: addresses, ports, clients, dates, daily volume"
streams = ["api_event", "flow_event"]
registers = ["interconnection", "interconnection_network", "interconnection_port", "approval", "zone", "zone_network", "unit", "person"]
parameters = ["volume_drift_factor"]
window_days = 7
mode = "append"
+++ */
-- Who spoke with whom on which port on a Beijing day and how much, calls of interfaces by their caller, and that flows were told at all.
SELECT way, source_ip, destination_ip, protocol, port, client, host, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       CAST(sum(bytes_) AS BIGINT) AS bytes, arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'flow' AS way, timestamp AS at_, line, source_ip, destination_ip, lower(protocol) AS protocol, destination_port AS port,
           NULL AS client, NULL AS host, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day,
           CASE WHEN bytes_out IS NOT NULL OR bytes_in IS NOT NULL THEN coalesce(bytes_out, 0) + coalesce(bytes_in, 0) END AS bytes_
    FROM flow_event
    WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
    UNION ALL
    SELECT 'api', timestamp, line, source_ip, NULL, NULL, NULL, client, lower(host_name), CAST(timestamp + INTERVAL 8 HOUR AS DATE), NULL
    FROM api_event WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, NULL, NULL, NULL, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE), NULL FROM flow_event
)
GROUP BY way, source_ip, destination_ip, protocol, port, client, host, day;

-- Art. 10, obligation A10.4. Traffic is an interconnection's if the outside address lies in one of its networks, whether it holds or not.
-- It stays inside if a version that was believed and held at that instant covers the inner address, the port and the client; one that was
-- recorded later and reaches back makes it regularized. Of a day the first and the last contact are judged. The volume of a Beijing day is
-- what flows tell, both directions together; beyond the factor times the most that was approved for that day is too much; a day for which
-- nothing was approved by then is held to what was approved for it later, and its traffic is found by its dates anyway. What no source
-- tells in bytes is unknown. What was not seen for a week is over.
WITH
fact AS (
    SELECT way, source_ip, destination_ip, protocol, port, client, host, day, min(first_at) AS first_at, max(last_at) AS last_at,
           sum(times) AS times, sum(bytes) AS bytes, arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE way <> 'alive' AND last_at > $since
    GROUP BY way, source_ip, destination_ip, protocol, port, client, host, day
),
version AS (
    SELECT i.id, i.code, i.name, i.clients, i.daily_mb, greatest(i.valid_from, i.recorded_at) AS held_from,
           least(i.valid_to, i.superseded_at, a.valid_to, TIMESTAMP '9999-01-01') AS held_to,
           i.valid_from, least(i.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS valid_to, i.superseded_at IS NULL AS stands
    FROM interconnection i JOIN approval a ON a.id = i.basis_id AND a.authority = 'leading_group'
),
-- The one who answers for a code is the newest row's.
owner AS (
    SELECT i.code, arg_max(i.name, i.valid_from) AS name, arg_max(u.code, i.valid_from) AS unit, arg_max(p.code, i.valid_from) AS person,
           bool_or(i.valid_from <= $at AND (i.valid_to IS NULL OR i.valid_to > $at)) AS live
    FROM interconnection i JOIN unit u ON u.id = i.unit_id LEFT JOIN person p ON p.id = i.person_id WHERE i.superseded_at IS NULL GROUP BY i.code
),
address AS (
    SELECT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact) WHERE ip IS NOT NULL
),
peer_of AS (SELECT DISTINCT a.ip, n.interconnection_id AS id FROM address a JOIN interconnection_network n ON n.side = 'peer' AND a.k BETWEEN n.first AND n.last),
inner_of AS (SELECT DISTINCT a.ip, n.interconnection_id AS id FROM address a JOIN interconnection_network n ON n.side = 'inner' AND a.k BETWEEN n.first AND n.last),
own_zone AS (SELECT id FROM zone WHERE kind <> 'internet'),
ours AS (
    SELECT DISTINCT a.ip FROM address a JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN own_zone z ON z.id = n.zone_id
),
traffic AS (
    SELECT t.*, row_number() OVER (ORDER BY t.peer, t.inner_ip, t.host, t.client, t.protocol, t.port, t.first_at) AS n
    FROM (
        SELECT destination_ip AS peer, source_ip AS inner_ip, host, client, protocol, port, day, first_at, last_at, times, bytes, first_line, last_line
        FROM fact WHERE way = 'flow' AND destination_ip IN (SELECT ip FROM peer_of) AND source_ip IN (SELECT ip FROM ours)
        UNION ALL
        SELECT source_ip, destination_ip, host, client, protocol, port, day, first_at, last_at, times, bytes, first_line, last_line
        FROM fact WHERE way = 'flow' AND source_ip IN (SELECT ip FROM peer_of) AND destination_ip IN (SELECT ip FROM ours)
        UNION ALL
        SELECT source_ip, NULL, host, client, protocol, port, day, first_at, last_at, times, bytes, first_line, last_line
        FROM fact WHERE way = 'api' AND source_ip IN (SELECT ip FROM peer_of)
    ) t
),
-- Each traffic beside each version of what its peer belongs to: what of the scope holds.
beside AS (
    SELECT t.n, t.first_at, t.last_at, v.*,
           t.inner_ip IS NULL OR EXISTS (SELECT 1 FROM inner_of i WHERE i.ip = t.inner_ip AND i.id = v.id) AS inner_fits,
           t.inner_ip IS NULL OR (t.port IS NULL AND coalesce(t.protocol, '') NOT IN ('icmp', 'ipv6-icmp')) OR EXISTS (
               SELECT 1 FROM interconnection_port o
               WHERE o.interconnection_id = v.id AND o.protocol = coalesce(replace(t.protocol, 'ipv6-icmp', 'icmp'), o.protocol)
                 AND coalesce(t.port, 0) BETWEEN o.first AND o.last
           ) AS port_fits,
           t.client IS NULL OR v.clients = '[]' OR list_contains(from_json(v.clients, '["VARCHAR"]'), t.client) AS client_fits
    FROM traffic t JOIN peer_of p ON p.ip = t.peer JOIN version v ON v.id = p.id
),
scoped AS (SELECT *, inner_fits AND port_fits AND client_fits AS fits FROM beside),
judged AS (
    SELECT n, bool_or(fits AND first_at >= held_from AND first_at < held_to) AS first_held,
           bool_or(fits AND last_at >= held_from AND last_at < held_to) AS last_held,
           bool_or(fits AND stands AND first_at >= valid_from AND first_at < valid_to) AS first_later,
           bool_or(fits AND stands AND last_at >= valid_from AND last_at < valid_to) AS last_later,
           max(held_to) FILTER (WHERE fits AND first_at >= held_from AND first_at < held_to) AS until_at,
           min(held_from) FILTER (WHERE fits AND last_at >= held_from AND last_at < held_to) AS again_at
    FROM scoped GROUP BY n
),
state AS (
    SELECT *, CASE WHEN state = 'no' AND (last_held OR last_later) OR state <> 'no' AND last_held THEN 'first' ELSE 'last' END AS which
    FROM (
        SELECT *, CASE WHEN NOT (first_held OR first_later) OR NOT (last_held OR last_later) THEN 'no'
                       WHEN NOT (first_held AND last_held) THEN 'later'
                       WHEN until_at < again_at THEN 'gap' ELSE 'yes' END AS state
        FROM judged
    )
),
-- Whose it is: of several interconnections with one peer the one that fits best; and what of its scope, as believed then, was left.
believed AS (
    SELECT s.*, CASE WHEN j.which = 'first' THEN s.first_at ELSE s.last_at END AS at_ FROM scoped s JOIN state j ON j.n = s.n
),
whose AS (
    SELECT n, code, bool_or(held) AS in_dates, bool_or(held AND inner_fits) AS inner_fits,
           bool_or(held AND inner_fits AND port_fits) AS port_fits, bool_or(held AND fits) AS fits
    FROM (SELECT *, at_ >= held_from AND at_ < held_to AS held FROM believed) GROUP BY n, code
),
best AS (
    SELECT * FROM (
        SELECT *, row_number() OVER (PARTITION BY n ORDER BY in_dates DESC, fits DESC, port_fits DESC, inner_fits DESC, code) AS place FROM whose
    ) WHERE place = 1
),
told AS (
    SELECT t.*, b.code, o.name, o.unit, o.person, j.state,
           CASE WHEN NOT b.in_dates THEN 'dates' WHEN NOT b.inner_fits THEN 'addresses' WHEN NOT b.port_fits THEN 'ports'
                WHEN NOT b.fits THEN 'client' ELSE 'dates' END AS left_out,
           coalesce(t.inner_ip, t.host, '') || coalesce('（' || t.client || '）', '') AS inner_name,
           coalesce(t.protocol || '/' || t.port, t.protocol, CASE WHEN t.inner_ip IS NULL THEN 'api' END, '') AS service,
           CASE WHEN j.which = 'first' THEN t.first_at ELSE t.last_at END AS at_,
           CASE WHEN j.which = 'first' THEN [t.first_line] ELSE [t.last_line, t.first_line] END AS lines
    FROM traffic t JOIN state j ON j.n = t.n JOIN best b ON b.n = t.n JOIN owner o ON o.code = b.code
),
-- Volume by day: what was approved for any part of it then, and what is approved for it today.
daily AS (
    SELECT code, day, any_value(name) AS name, any_value(unit) AS unit, any_value(person) AS person, sum(bytes) AS bytes, sum(times) AS times,
           min(first_at) AS first_at, list_distinct(flatten(list([last_line, first_line] ORDER BY bytes DESC NULLS LAST, n)))[1:20] AS lines
    FROM told WHERE inner_ip IS NOT NULL GROUP BY code, day
),
measured AS (
    SELECT d.*, 1000000.0 * max(v.daily_mb) FILTER (WHERE v.held_from < e.ends AND v.held_to > e.begins AND v.held_from < v.held_to) AS held_bytes,
           1000000.0 * max(v.daily_mb) FILTER (WHERE v.stands AND v.valid_from < e.ends AND v.valid_to > e.begins) AS later_bytes
    FROM daily d JOIN version v ON v.code = d.code,
         LATERAL (SELECT CAST(d.day AS TIMESTAMP) - INTERVAL 8 HOUR AS begins, CAST(d.day + 1 AS TIMESTAMP) - INTERVAL 8 HOUR AS ends) e
    GROUP BY ALL
),
heavy AS (
    SELECT *, CASE WHEN bytes > $volume_drift_factor * greatest(held_bytes, later_bytes) THEN 'breach' ELSE 'regularized' END AS kind
    FROM measured
    WHERE bytes > $volume_drift_factor * coalesce(held_bytes, later_bytes)
),
watch AS (SELECT count(*) > 0 AS alive FROM facts WHERE way = 'alive' AND last_at > $since)
SELECT 'subject' AS kind, 'interconnection:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM owner, watch WHERE alive AND live
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, 'interconnection:' || code, any_value(name), any_value(unit), any_value(person),
       'interconnection_outside_' || left_out,
       to_json({
           'interconnection': any_value(name), 'inner': arg_max(inner_name, at_), 'peer': arg_max(peer, at_), 'service': arg_max(service, at_),
           'at': strftime(max(at_) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list(lines ORDER BY at_ DESC)))[1:20], min(first_at), left_out
FROM told WHERE state IN ('no', 'later') GROUP BY code, left_out, state
UNION ALL
SELECT kind, 'interconnection:' || code, any_value(name), any_value(unit), any_value(person), 'interconnection_over_volume',
       to_json({
           'interconnection': any_value(name), 'day': strftime(max(day), '%Y-%m-%d'), 'mb': printf('%.1f', CAST(arg_max(bytes, day) / 1000000.0 AS DOUBLE)),
           'approved_mb': CAST(arg_max(coalesce(held_bytes, later_bytes), day) / 1000000 AS BIGINT),
           'factor': CAST($volume_drift_factor AS VARCHAR), 'days': count(*)
       }),
       list_distinct(flatten(list(lines ORDER BY day DESC)))[1:20], min(first_at), 'volume'
FROM heavy GROUP BY code, kind
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'outside_traffic_across_pause', to_json({'inner': min(inner_name), 'peer': min(peer)}), NULL, NULL, ''
FROM told WHERE state = 'gap' GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'volume_not_told', to_json({'interconnection': min(name)}), NULL, NULL, ''
FROM daily WHERE bytes IS NULL GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_watch_of_interconnections', to_json({'interconnections': count(*)}), NULL, NULL, ''
FROM owner, watch WHERE NOT alive AND live GROUP BY unit
ORDER BY ALL
