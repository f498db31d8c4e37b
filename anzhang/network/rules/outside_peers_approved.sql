/* +++
name = "outside_peers_approved"
title = "No outside body is connected without an interconnection that the leading group approved"
streams = ["api_event", "flow_event"]
registers = [
    "interconnection", "interconnection_network", "link", "link_network", "approval", "zone", "zone_network", "device", "interface", "unit",
    "person",
]
parameters = []
window_days = 7
mode = "append"
+++ */
-- Who spoke with whom on which port on a Beijing day, calls of interfaces by their caller, and that flows were told at all.
SELECT way, source_ip, destination_ip, protocol, port, client, host, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM (
    SELECT 'flow' AS way, timestamp AS at_, line, source_ip, destination_ip, lower(protocol) AS protocol, destination_port AS port,
           NULL AS client, NULL AS host, CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day
    FROM flow_event
    WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
    UNION ALL
    SELECT 'api', timestamp, line, source_ip, NULL, NULL, NULL, client, lower(host_name), CAST(timestamp + INTERVAL 8 HOUR AS DATE)
    FROM api_event
    WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND (client IS NOT NULL OR NOT is_public(source_ip))
    UNION ALL
    SELECT 'alive', timestamp, line, NULL, NULL, NULL, NULL, NULL, NULL, CAST(timestamp + INTERVAL 8 HOUR AS DATE) FROM flow_event
)
GROUP BY way, source_ip, destination_ip, protocol, port, client, host, day;

-- Art. 10, obligation A10.1. An outside peer is an address in no network of a zone of the bureau; what never leaves its wire (loopback,
-- link-local, multicast) is none. What comes in from the internet to the area that serves it (dmz), or calls an interface from there without
-- a client's name, is a visitor and no connection. A peer is approved at an instant if an interconnection was believed then, held then and
-- names its address; one that was recorded later and reaches back over the instant makes the act regularized. Of a day the first and the
-- last contact are judged; where different approvals cover them with a pause between, nobody can say what passed in the pause: unknown.
-- What was not seen for a week is over.
WITH
fact AS (
    SELECT way, source_ip, destination_ip, protocol, port, client, host, day, min(first_at) AS first_at, max(last_at) AS last_at,
           sum(times) AS times, arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE way <> 'alive' AND last_at > $since
    GROUP BY way, source_ip, destination_ip, protocol, port, client, host, day
),
own_zone AS (
    SELECT z.id, z.code, z.name, z.kind, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind <> 'internet'
),
-- Which zone each address is in is asked once for each; of several the narrowest network says.
spot AS (
    SELECT a.ip, first(z.id ORDER BY n.first DESC, n.last, z.id) AS zone_id
    FROM (SELECT DISTINCT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact) WHERE ip IS NOT NULL) a
    JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN own_zone z ON z.id = n.zone_id
    GROUP BY a.ip
),
sided AS (
    SELECT f.*, s.zone_id AS from_zone, d.zone_id AS to_zone FROM fact f LEFT JOIN spot s ON s.ip = f.source_ip LEFT JOIN spot d ON d.ip = f.destination_ip
),
crossing AS (
    SELECT c.*, row_number() OVER (ORDER BY c.inner_ip, c.peer, c.host, c.client, c.protocol, c.port, c.first_at) AS n
    FROM (
        SELECT source_ip AS inner_ip, destination_ip AS peer, from_zone AS zone_id, host, client, protocol, port,
               first_at, last_at, times, first_line, last_line
        FROM sided WHERE way = 'flow' AND from_zone IS NOT NULL AND to_zone IS NULL AND ip_key(destination_ip) IS NOT NULL
        UNION ALL
        SELECT f.destination_ip, f.source_ip, f.to_zone, f.host, f.client, f.protocol, f.port, f.first_at, f.last_at, f.times, f.first_line, f.last_line
        FROM sided f JOIN own_zone z ON z.id = f.to_zone
        WHERE f.way = 'flow' AND f.from_zone IS NULL AND ip_key(f.source_ip) IS NOT NULL AND NOT (z.kind = 'dmz' AND is_public(f.source_ip))
        UNION ALL
        SELECT NULL, source_ip, NULL, host, client, protocol, port, first_at, last_at, times, first_line, last_line
        FROM sided WHERE way = 'api' AND from_zone IS NULL AND ip_key(source_ip) IS NOT NULL
    ) c
    WHERE NOT regexp_matches(c.peer, '^(0\.|127\.|169\.254\.|22[4-9]\.|23[0-9]\.|2[45][0-9]\.|fe[89ab]|ff|::1?$)')
),
-- A row as believed holds from its recording until it was superseded; `later` is what it says today of a time before its recording.
-- The addresses on the internet's side of an approved link (gateways, neighbors of the carrier) belong to that link.
approved AS (
    SELECT 'interconnection' AS book, id, valid_from, valid_to, recorded_at, superseded_at, basis_id FROM interconnection
    UNION ALL
    SELECT 'link', id, valid_from, valid_to, recorded_at, superseded_at, basis_id FROM link
),
version AS (
    SELECT i.book, i.id, greatest(i.valid_from, i.recorded_at) AS held_from,
           least(i.valid_to, i.superseded_at, a.valid_to, TIMESTAMP '9999-01-01') AS held_to,
           i.valid_from, least(i.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS valid_to, i.superseded_at IS NULL AS stands
    FROM approved i JOIN approval a ON a.id = i.basis_id AND a.authority = 'leading_group'
),
peer AS (SELECT peer, ip_key(peer) AS k FROM (SELECT DISTINCT peer FROM crossing)),
reach AS (
    SELECT p.peer, 'interconnection' AS book, n.interconnection_id AS id
    FROM peer p JOIN interconnection_network n ON n.side = 'peer' AND p.k BETWEEN n.first AND n.last
    UNION
    SELECT p.peer, 'link', n.link_id
    FROM peer p JOIN link_network n ON p.k BETWEEN n.first AND n.last JOIN link l ON l.id = n.link_id
    JOIN zone z ON z.id = CASE WHEN n.side = 'near' THEN l.near_zone_id ELSE l.far_zone_id END AND z.kind = 'internet'
),
judged AS (
    SELECT c.n,
           coalesce(bool_or(c.first_at >= v.held_from AND c.first_at < v.held_to), false) AS first_held,
           coalesce(bool_or(c.last_at >= v.held_from AND c.last_at < v.held_to), false) AS last_held,
           coalesce(bool_or(v.stands AND c.first_at >= v.valid_from AND c.first_at < v.valid_to), false) AS first_later,
           coalesce(bool_or(v.stands AND c.last_at >= v.valid_from AND c.last_at < v.valid_to), false) AS last_later,
           max(v.held_to) FILTER (WHERE c.first_at >= v.held_from AND c.first_at < v.held_to) AS until_at,
           min(v.held_from) FILTER (WHERE c.last_at >= v.held_from AND c.last_at < v.held_to) AS again_at
    FROM crossing c LEFT JOIN reach r ON r.peer = c.peer LEFT JOIN version v ON v.book = r.book AND v.id = r.id
    GROUP BY c.n
),
fixed AS (SELECT i.device_id, unnest(from_json(i.addresses, '["VARCHAR"]')) AS ip FROM interface i),
by_address AS (SELECT ip, min(device_id) AS device_id FROM fixed GROUP BY ip),
by_host AS (
    SELECT host, min(id) AS device_id
    FROM (SELECT id, lower(unnest(list_append(from_json(hosts, '["VARCHAR"]'), name))) AS host FROM device WHERE state = 'in_service') GROUP BY host
),
placed AS (
    SELECT c.*, CASE WHEN c.inner_ip IS NOT NULL THEN ip_of.device_id ELSE host_of.device_id END AS device_id
    FROM crossing c LEFT JOIN by_address ip_of ON ip_of.ip = c.inner_ip LEFT JOIN by_host host_of ON host_of.host = c.host
),
told AS (
    SELECT CASE WHEN d.id IS NOT NULL THEN 'device:' || d.code WHEN c.inner_ip IS NOT NULL THEN 'address:' || c.inner_ip ELSE 'host:' || coalesce(c.host, '') END AS key,
           coalesce(d.name, c.inner_ip, c.host, '') AS label, coalesce(du.code, z.unit) AS unit, p.code AS person,
           c.peer, coalesce(c.protocol || '/' || c.port, c.protocol, CASE WHEN c.inner_ip IS NULL THEN 'api' END, '') AS service,
           c.first_at, c.last_at, c.times, c.first_line, c.last_line,
           CASE WHEN NOT (j.first_held OR j.first_later) OR NOT (j.last_held OR j.last_later) THEN 'no'
                WHEN NOT (j.first_held AND j.last_held) THEN 'later'
                WHEN j.until_at < j.again_at THEN 'gap' ELSE 'yes' END AS state,
           j.last_held, j.last_later
    FROM placed c JOIN judged j ON j.n = c.n LEFT JOIN own_zone z ON z.id = c.zone_id
    LEFT JOIN device d ON d.id = c.device_id LEFT JOIN unit du ON du.id = d.unit_id LEFT JOIN person p ON p.id = d.person_id
),
bad AS (
    SELECT *, CASE WHEN earlier THEN first_at ELSE last_at END AS at_,
           CASE WHEN earlier THEN [first_line] ELSE [last_line, first_line] END AS lines,
           dense_rank() OVER (PARTITION BY key, state ORDER BY peer) AS place
    FROM (SELECT *, last_held OR state = 'no' AND last_later AS earlier FROM told WHERE state IN ('no', 'later'))
),
many AS (SELECT key FROM bad WHERE state = 'no' GROUP BY key HAVING max(place) > 20),
watch AS (SELECT count(*) > 0 AS alive FROM facts WHERE way = 'alive' AND last_at > $since)
SELECT 'subject' AS kind, 'zone:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM own_zone, watch WHERE alive
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, key, any_value(label), any_value(unit), any_value(person),
       'outside_peer_unapproved',
       to_json({
           'inner': any_value(label), 'peer': peer, 'service': arg_max(service, at_),
           'at': strftime(max(at_) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list(lines ORDER BY at_ DESC)))[1:20], min(first_at), peer
FROM bad WHERE state = 'later' OR key NOT IN (SELECT key FROM many) GROUP BY key, peer, state
UNION ALL
SELECT 'breach', key, any_value(label), any_value(unit), any_value(person), 'outside_peers_unapproved',
       to_json({
           'inner': any_value(label), 'peers': count(DISTINCT peer), 'peer': arg_max(peer, at_), 'service': arg_max(service, at_),
           'at': strftime(max(at_) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list(lines ORDER BY at_ DESC)))[1:20], min(first_at), 'many'
FROM bad WHERE state = 'no' AND key IN (SELECT key FROM many) GROUP BY key
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'outside_traffic_across_pause', to_json({'inner': min(label), 'peer': min(peer)}), NULL, NULL, ''
FROM told WHERE state = 'gap' GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_watch_of_outside', to_json({'zones': count(*)}), NULL, NULL, ''
FROM own_zone, watch WHERE NOT alive GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'zones_without_networks', to_json({'zones': string_agg(name, '、' ORDER BY code)}), NULL, NULL, ''
FROM own_zone z WHERE NOT EXISTS (SELECT 1 FROM zone_network n WHERE n.zone_id = z.id) GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM own_zone) = 0
ORDER BY ALL
