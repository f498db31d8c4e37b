/* +++
name = "links_not_grown"
title = "What passes between two networks stays within the prefixes and ports of the links that were approved"
streams = ["flow_event"]
registers = ["link", "link_network", "link_port", "approval", "zone", "zone_network", "unit"]
parameters = []
window_days = 7
mode = "append"
+++ */
-- Who spoke with whom on a Beijing day on which port of a service. What goes from a low port to a high one is the answer of a service on
-- the low one; `far_port` is where it went.
SELECT source_ip, destination_ip, protocol, port, far_port, answer, day, min(timestamp) AS first_at, max(timestamp) AS last_at,
       count(*) AS times, arg_min(line, timestamp) AS first_line, arg_max(line, timestamp) AS last_line
FROM (
    SELECT source_ip, destination_ip, coalesce(lower(protocol), '') AS protocol, timestamp, line,
           CAST(timestamp + INTERVAL 8 HOUR AS DATE) AS day,
           coalesce(source_port < 32768 AND destination_port >= 32768, false) AS answer,
           coalesce(CASE WHEN source_port < 32768 AND destination_port >= 32768 THEN source_port ELSE destination_port END, 0) AS port,
           CASE WHEN source_port < 32768 AND destination_port >= 32768 THEN 32768 ELSE 0 END AS far_port
    FROM flow_event WHERE event_outcome IS DISTINCT FROM 'failure' AND source_ip IS NOT NULL AND destination_ip IS NOT NULL
)
GROUP BY source_ip, destination_ip, protocol, port, far_port, answer, day;

-- Art. 31, obligation A31.2. Two networks are two zones of the bureau's own, or one of them and the internet where links join them (ways to
-- the internet without any link are A09.2's). A link covers what lies within its prefixes on both sides and its ports, either way, while
-- it was believed and held; one that was recorded later and reaches back makes it regularized. An answer is covered by its question, seen
-- on the day or the day before: one that nobody asked for is traffic to the port it went to. A flow that tells no port is held to the
-- prefixes alone. Of a day the first and the last contact are judged. What was not seen for a week is over. What could pass and does not
-- is asked of no flow.
WITH
fact AS (
    SELECT source_ip, destination_ip, protocol, port, far_port, answer, day, min(first_at) AS first_at, max(last_at) AS last_at,
           sum(times) AS times, arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM facts WHERE last_at > $since GROUP BY source_ip, destination_ip, protocol, port, far_port, answer, day
),
address AS (SELECT ip, ip_key(ip) AS k FROM (SELECT source_ip AS ip FROM fact UNION SELECT destination_ip FROM fact)),
own_zone AS (
    SELECT z.id, z.code, z.name, z.kind, u.code AS unit FROM zone z JOIN unit u ON u.id = z.unit_id WHERE z.kind <> 'internet'
),
spot AS (
    SELECT a.ip, first(z.id ORDER BY n.first DESC, n.last, z.id) AS zone_id
    FROM address a JOIN zone_network n ON a.k BETWEEN n.first AND n.last JOIN own_zone z ON z.id = n.zone_id GROUP BY a.ip
),
placed AS (  -- zone 0 is the internet
    SELECT a.ip, coalesce(s.zone_id, CASE WHEN is_public(a.ip) THEN 0 END) AS zone_id FROM address a LEFT JOIN spot s ON s.ip = a.ip
),
asked AS (SELECT DISTINCT source_ip, destination_ip, protocol, port, day FROM fact WHERE NOT answer),
version AS (
    SELECT l.id, greatest(l.valid_from, l.recorded_at) AS held_from,
           least(l.valid_to, l.superseded_at, a.valid_to, TIMESTAMP '9999-01-01') AS held_to,
           l.valid_from, least(l.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS valid_to, l.superseded_at IS NULL AS stands,
           CASE WHEN x.kind = 'internet' THEN 0 ELSE x.id END AS near_zone, CASE WHEN y.kind = 'internet' THEN 0 ELSE y.id END AS far_zone
    FROM link l JOIN approval a ON a.id = l.basis_id AND a.authority = 'leading_group'
    JOIN zone x ON x.id = l.near_zone_id JOIN zone y ON y.id = l.far_zone_id
),
joined AS (SELECT near_zone AS one, far_zone AS other FROM version UNION SELECT far_zone, near_zone FROM version),
crossing AS (
    SELECT row_number() OVER (ORDER BY f.source_ip, f.destination_ip, f.protocol, f.port, f.answer, f.day) AS n, f.*,
           x.zone_id AS x_zone, y.zone_id AS y_zone
    FROM fact f JOIN placed x ON x.ip = f.source_ip JOIN placed y ON y.ip = f.destination_ip
    WHERE x.zone_id <> y.zone_id
      AND ((x.zone_id <> 0 AND y.zone_id <> 0) OR EXISTS (SELECT 1 FROM joined j WHERE j.one = x.zone_id AND j.other = y.zone_id))
      AND NOT (f.answer AND EXISTS (
          SELECT 1 FROM asked q WHERE q.source_ip = f.destination_ip AND q.destination_ip = f.source_ip AND q.protocol = f.protocol
            AND q.port = f.port AND f.day - q.day BETWEEN 0 AND 1
      ))
),
holds AS (SELECT DISTINCT a.ip, n.link_id AS id, n.side FROM address a JOIN link_network n ON a.k BETWEEN n.first AND n.last),
covering AS (
    SELECT c.n, v.* FROM crossing c JOIN version v
      ON (v.near_zone = c.x_zone AND v.far_zone = c.y_zone
          AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'near' AND h.ip = c.source_ip)
          AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'far' AND h.ip = c.destination_ip))
      OR (v.far_zone = c.x_zone AND v.near_zone = c.y_zone
          AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'far' AND h.ip = c.source_ip)
          AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'near' AND h.ip = c.destination_ip))
    WHERE EXISTS (
        SELECT 1 FROM link_port p WHERE p.link_id = v.id AND (c.protocol = '' OR p.protocol = c.protocol)
          AND (c.port = 0 OR CASE WHEN c.answer THEN c.far_port ELSE c.port END BETWEEN p.first AND p.last)
    )
),
judged AS (
    SELECT c.n, coalesce(bool_or(c.first_at >= v.held_from AND c.first_at < v.held_to), false) AS first_held,
           coalesce(bool_or(c.last_at >= v.held_from AND c.last_at < v.held_to), false) AS last_held,
           coalesce(bool_or(v.stands AND c.first_at >= v.valid_from AND c.first_at < v.valid_to), false) AS first_later,
           coalesce(bool_or(v.stands AND c.last_at >= v.valid_from AND c.last_at < v.valid_to), false) AS last_later
    FROM crossing c LEFT JOIN covering v ON v.n = c.n GROUP BY c.n
),
-- Told of the zone of the bureau's own that was asked from; of what came from the internet, of the one it reached.
told AS (
    SELECT c.*, z.code AS zone_code, z.name AS zone, z.unit, coalesce(o.name, '互联网') AS other, coalesce(o.code, 'internet') AS other_code,
           EXISTS (SELECT 1 FROM joined j WHERE j.one = c.x_zone AND j.other = c.y_zone) AS linked,
           CASE WHEN NOT (j.first_held OR j.first_later) OR NOT (j.last_held OR j.last_later) THEN 'no'
                WHEN NOT (j.first_held AND j.last_held) THEN 'later' ELSE 'yes' END AS state
    FROM crossing c JOIN judged j ON j.n = c.n
    JOIN own_zone z ON z.id = CASE WHEN c.x_zone = 0 THEN c.y_zone ELSE c.x_zone END
    LEFT JOIN own_zone o ON o.id = CASE WHEN c.x_zone = 0 THEN 0 ELSE c.y_zone END
),
alive AS (SELECT count(*) > 0 AS yes FROM facts WHERE last_at > $since)
SELECT 'subject' AS kind, 'zone:' || code AS key, name AS label, unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM own_zone
UNION ALL
SELECT CASE WHEN state = 'no' THEN 'breach' ELSE 'regularized' END, 'zone:' || zone_code, any_value(zone), any_value(unit), NULL,
       CASE WHEN linked THEN 'link_outgrown' ELSE 'networks_joined' END,
       to_json({
           'zone': any_value(zone), 'other': any_value(other), 'source': arg_max(source_ip, last_at),
           'destination': arg_max(destination_ip, last_at),
           'port': arg_max(coalesce(nullif(protocol, ''), 'ip') || CASE WHEN port > 0 THEN '/' || port ELSE '' END, last_at),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times),
           'ways': count(DISTINCT source_ip || ' ' || destination_ip)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(first_at), other_code
FROM told WHERE state IN ('no', 'later') GROUP BY zone_code, other_code, linked, state
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_flows_of_zones', to_json({'zones': count(*)}), NULL, NULL, ''
FROM own_zone, alive WHERE NOT alive.yes GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_own_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM own_zone) = 0
ORDER BY ALL
