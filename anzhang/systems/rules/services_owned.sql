/* +++
name = "services_owned"
title = "Every service that answers on the bureau's networks belongs to a system that a unit manages"
streams = ["flow_event", "sighting_event"]
registers = ["system", "system_address", "unit", "zone", "zone_network", "device", "interface", "person"]
parameters = ["shadow_service_days"]
window_days = 62
mode = "append"
+++ */
-- Which port of which address was answered on a Beijing day and to whom; what was only asked, where nobody told of answers; who sat at an
-- address. Over TCP more than 100 bytes came back: what refuses, or only greets a scanner, is shorter. A server of addresses (DHCP) is told
-- of by whoever asks it.
WITH asked AS (
-- part: network/asked
),
answered AS (
    SELECT unnest(CASE WHEN back IS NULL THEN ['told'] ELSE ['day', 'client'] END) AS way, *
    FROM asked
    WHERE port > 0 AND (back IS NULL AND port < 32768 OR back > CASE WHEN coalesce(protocol, 'tcp') = 'tcp' THEN 100 ELSE 0 END)
),
contact AS (
    SELECT way, asked AS ip, coalesce(protocol, 'tcp') AS protocol, port, CASE WHEN way = 'client' THEN asker END AS client,
           CASE WHEN way = 'day' THEN behind END AS behind, CASE WHEN way = 'day' THEN day END AS day, at_, line
    FROM answered
    UNION ALL
    SELECT way, server_ip, 'udp', 67, CASE WHEN way = 'client' THEN source_mac END, NULL,
           CASE WHEN way = 'day' THEN CAST(at_ + INTERVAL 8 HOUR AS DATE) END, at_, line
    FROM (SELECT unnest(['day', 'client']) AS way, server_ip, source_mac, timestamp AS at_, line FROM sighting_event WHERE server_ip IS NOT NULL)
    UNION ALL
    SELECT 'seat', source_ip, NULL, NULL, source_mac, NULL, NULL, timestamp, line
    FROM sighting_event WHERE source_ip IS NOT NULL AND source_mac IS NOT NULL
)
SELECT way, ip, protocol, port, client, behind, day, min(at_) AS first_at, max(at_) AS last_at, count(*) AS times,
       arg_min(line, at_) AS first_line, arg_max(line, at_) AS last_line
FROM contact GROUP BY way, ip, protocol, port, client, behind, day;

-- Art. 6, obligation A06.2. A service is a port of an address in a zone of the bureau's own that answered again and again: a pause as long as
-- is given to an owner to come ends it, and what follows is another one. It has an owner if an environment of a system has the address, a host
-- of one stands there, or the address behind it (NAT, load balancer) is one of these, and the unit that manages the system is there. Ports
-- from 49152 on are given out by machines as they need them (RFC 6335): one is a service when three clients use it. Network devices, storage,
-- printers and jump hosts answer for themselves and their unit is on the register; so do computers on the ports by which they are operated and
-- share what every one of them shares. A leased address is whose card was seen there last; what was there under another card before is no
-- part of it. The days count from the first answer, or from the day on which the system, the environment or the unit ended. What did not
-- answer for as many days while its zone was watched is gone.
WITH
limit_of AS (SELECT to_days(CAST($shadow_service_days AS INTEGER)) AS pause),
fact AS MATERIALIZED (SELECT * FROM facts WHERE last_at > $since),
address AS MATERIALIZED (
    SELECT ip, ip_key(ip) AS k FROM (
        SELECT ip FROM fact WHERE way <> 'seat' UNION SELECT client FROM fact WHERE way = 'client'
    ) WHERE ip_key(ip) IS NOT NULL
),
-- part: network/zones
here AS MATERIALIZED (SELECT p.ip, z.* FROM placed p JOIN own_zone z ON z.id = p.zone_id),
zone_seen AS (
    SELECT h.id, max(f.last_at) AS seen_at
    FROM (SELECT ip, last_at FROM fact WHERE way <> 'seat' UNION ALL SELECT client, last_at FROM fact WHERE way = 'client') f JOIN here h ON h.ip = f.ip
    GROUP BY h.id
),
by_day AS (
    SELECT ip, protocol, port, day, min(first_at) AS first_at, max(last_at) AS last_at, sum(times) AS times, max(behind) AS behind,
           arg_min(first_line, first_at) AS first_line, arg_max(last_line, last_at) AS last_line
    FROM fact WHERE way = 'day' AND ip IN (SELECT ip FROM here) GROUP BY ip, protocol, port, day
),
run AS MATERIALIZED (
    SELECT *, sum(begins) OVER (PARTITION BY ip, protocol, port ORDER BY day) AS run
    FROM (
        SELECT d.*, CASE WHEN d.first_at - lag(d.last_at) OVER (PARTITION BY ip, protocol, port ORDER BY day) <= l.pause THEN 0 ELSE 1 END AS begins
        FROM by_day d, limit_of l
    )
),
newest AS MATERIALIZED (
    SELECT ip, protocol, port, run, min(first_at) AS begun_at, max(last_at) AS last_at, max(behind) AS behind
    FROM run GROUP BY ip, protocol, port, run
    QUALIFY row_number() OVER (PARTITION BY ip, protocol, port ORDER BY run DESC) = 1
),
-- Whose address it is: a fixed one of a device, else the card that was seen there last.
fixed AS (
    SELECT ip, min(device_id) AS device_id
    FROM (SELECT device_id, unnest(from_json(addresses, '["VARCHAR"]')) AS ip FROM interface) GROUP BY ip
),
card AS (SELECT lower(mac) AS mac, min(device_id) AS device_id FROM interface WHERE mac <> '' GROUP BY lower(mac)),
seat AS (
    SELECT ip, lower(client) AS mac, max(last_at) AS last_at, row_number() OVER (PARTITION BY ip ORDER BY max(last_at) DESC, lower(client)) AS place
    FROM fact WHERE way = 'seat' AND ip IN (SELECT ip FROM newest) GROUP BY ip, lower(client)
),
sitting AS (SELECT ip, any_value(mac) FILTER (WHERE place = 1) AS mac, max(last_at) FILTER (WHERE place > 1) AS other_until FROM seat GROUP BY ip),
reached AS (
    SELECT ip, protocol, port, ip_key(ip) AS k FROM newest UNION SELECT ip, protocol, port, ip_key(behind) FROM newest WHERE behind IS NOT NULL
),
owner AS (
    SELECT r.ip, r.protocol, r.port, max(s.name) AS system, bool_or(a.until_at IS NULL AND u.closed_on IS NULL) AS owned,
           max(least(coalesce(a.until_at, TIMESTAMP '9999-01-01'), coalesce(CAST(u.closed_on AS TIMESTAMP), TIMESTAMP '9999-01-01'))) AS ended_at
    FROM reached r JOIN system_address a ON a.ip_key = r.k JOIN system s ON s.id = a.system_id JOIN unit u ON u.id = s.managing_unit_id
    GROUP BY r.ip, r.protocol, r.port
),
service AS MATERIALIZED (
    SELECT n.*, h.code AS zone_code, h.name AS zone, h.unit AS zone_unit, o.system, d.id AS device_id, d.code AS device_code, d.name AS device,
           du.code AS device_unit, dp.code AS person,
           greatest(n.begun_at, o.ended_at, CASE WHEN f.device_id IS NULL THEN t.other_until END) AS since_at
    FROM newest n LEFT JOIN owner o ON o.ip = n.ip AND o.protocol = n.protocol AND o.port = n.port JOIN here h ON h.ip = n.ip JOIN zone_seen v ON v.id = h.id
    CROSS JOIN limit_of l
    LEFT JOIN fixed f ON f.ip = n.ip LEFT JOIN sitting t ON t.ip = n.ip LEFT JOIN card c ON c.mac = t.mac
    LEFT JOIN device d ON d.id = coalesce(f.device_id, c.device_id) LEFT JOIN unit du ON du.id = d.unit_id LEFT JOIN person dp ON dp.id = d.person_id
    WHERE o.owned IS DISTINCT FROM true AND n.last_at > v.seen_at - l.pause
      AND NOT (d.id IS NOT NULL AND d.state = 'in_service' AND (
          d.kind IN ('router', 'switch', 'firewall', 'security', 'wireless', 'storage', 'printer', 'jump_host')
          OR n.port IN (22, 23, 68, 111, 123, 135, 137, 138, 139, 161, 445, 623, 3389, 5353, 5355, 5985, 5986, 10050)
      ))
),
used AS (
    SELECT s.ip, s.protocol, s.port, count(DISTINCT f.client) AS clients
    FROM service s JOIN fact f ON f.way = 'client' AND f.ip = s.ip AND f.protocol = s.protocol AND f.port = s.port AND f.last_at > s.since_at
    GROUP BY s.ip, s.protocol, s.port
),
counted AS (
    SELECT ip, protocol, port, sum(r.times) AS times, arg_min(r.first_line, r.first_at) AS first_line, arg_max(r.last_line, r.last_at) AS last_line
    FROM run r JOIN service s USING (ip, protocol, port, run) WHERE r.last_at > s.since_at GROUP BY ip, protocol, port
),
told AS (
    SELECT s.*, coalesce(u.clients, 0) AS clients, c.times, c.first_line, c.last_line, s.protocol || '/' || s.port AS service,
           coalesce('device:' || s.device_code, 'address:' || s.ip) AS key,
           coalesce(s.device, s.zone) || ' ' || s.ip AS place,
           count(*) OVER (PARTITION BY s.zone_code, s.protocol, s.port) AS places,
           count(*) OVER (PARTITION BY coalesce('device:' || s.device_code, 'address:' || s.ip)) AS ports
    FROM service s CROSS JOIN limit_of l JOIN counted c USING (ip, protocol, port) LEFT JOIN used u USING (ip, protocol, port)
    WHERE s.last_at - s.since_at > l.pause AND (s.port < 49152 OR u.clients >= 3)
),
-- Asked again and again for as long, never refused, and nobody told whether it was answered.
asked_only AS (
    SELECT ip, protocol, port, h.code, h.name, h.unit
    FROM fact f JOIN here h USING (ip) CROSS JOIN limit_of l
    WHERE way = 'told' AND NOT EXISTS (SELECT 1 FROM newest n WHERE n.ip = f.ip AND n.port = f.port)
      AND NOT EXISTS (SELECT 1 FROM system_address a WHERE a.ip_key = ip_key(f.ip) AND a.until_at IS NULL)
      AND NOT EXISTS (SELECT 1 FROM fixed x JOIN device d ON d.id = x.device_id WHERE x.ip = f.ip AND d.state = 'in_service'
                      AND d.kind IN ('router', 'switch', 'firewall', 'security', 'wireless', 'storage', 'printer', 'jump_host'))
    GROUP BY ip, protocol, port, h.code, h.name, h.unit, l.pause HAVING max(last_at) - min(first_at) > l.pause
),
dim AS (
    SELECT code, any_value(name) AS name, any_value(unit) AS unit, count(*) AS services, min(ip) AS ip, arg_min(protocol || '/' || port, ip) AS service
    FROM asked_only GROUP BY code
),
watch AS (SELECT coalesce(max(last_at) > $at - any_value(pause), false) AS alive FROM fact, limit_of WHERE way <> 'seat'),
zone_watched AS (
    SELECT z.*, coalesce(v.seen_at > $at - l.pause, false) AS seen FROM own_zone z CROSS JOIN limit_of l LEFT JOIN zone_seen v ON v.id = z.id
)
SELECT 'subject' AS kind, 'zone:' || z.code AS key, z.name AS label, z.unit, NULL AS person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM zone_watched z, watch WHERE alive AND z.seen AND z.code NOT IN (SELECT code FROM dim)
UNION ALL
SELECT 'breach', key, coalesce(device, ip), coalesce(device_unit, zone_unit), person, CASE WHEN system IS NOT NULL THEN 'service_orphaned' ELSE 'service_unowned' END,
       to_json({
           'place': place, 'service': service, 'system': coalesce(system, ''), 'since': strftime(since_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'at': strftime(last_at + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'clients': clients, 'times': times
       }),
       list_distinct([last_line, first_line]), since_at, ip || ' ' || service
FROM told WHERE places <= 50 AND ports <= 20
UNION ALL
SELECT 'breach', key, any_value(coalesce(device, ip)), any_value(coalesce(device_unit, zone_unit)), any_value(person), 'services_unowned',
       to_json({
           'place': any_value(place), 'ports': count(*), 'service': arg_max(service, last_at), 'since': strftime(min(since_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'times': sum(times)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(since_at), 'many'
FROM told WHERE places <= 50 AND ports > 20 GROUP BY key
UNION ALL
SELECT 'breach', 'zone:' || zone_code, any_value(zone), any_value(zone_unit), NULL, 'service_everywhere_unowned',
       to_json({
           'zone': any_value(zone), 'places': count(*), 'service': any_value(service), 'place': arg_max(place, last_at),
           'since': strftime(min(since_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'), 'at': strftime(max(last_at) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M'),
           'times': sum(times)
       }),
       list_distinct(flatten(list([last_line, first_line] ORDER BY last_at DESC)))[1:20], min(since_at), service
FROM told WHERE places > 50 GROUP BY zone_code, service
UNION ALL
SELECT 'unknown', 'zone:' || code, name, unit, NULL, 'services_answers_not_told',
       to_json({'zone': name, 'services': services, 'address': ip, 'service': service}), NULL, NULL, ''
FROM dim
UNION ALL
SELECT 'unknown', 'zone:' || z.code, z.name, z.unit, NULL, 'zone_without_flows', to_json({'zone': z.name}), NULL, NULL, ''
FROM zone_watched z, watch WHERE alive AND NOT z.seen AND z.code NOT IN (SELECT code FROM dim)
UNION ALL
SELECT 'unknown', '', '', unit, NULL, 'no_flows_of_services', to_json({'zones': count(*)}), NULL, NULL, ''
FROM own_zone, watch WHERE NOT alive GROUP BY unit
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_zones', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM own_zone) = 0
ORDER BY ALL
