/* +++
name = "equipment_where_registered"
title = "What stands in a machine room is registered there, and what is registered there stands in it"
streams = ["sighting_event"]
registers = ["machine_room", "device", "interface", "equipment_move", "unit", "assignment", "person"]
parameters = ["move_match_hours"]
window_days = 7
+++ */
-- Art. 16, obligation A16.5. A sighting says where a device stands only if it comes from a witness of the room: a switch or a counter
-- that nothing outside the room is plugged into. A device seen in a room is registered there, or was carried into or out of it within
-- the hours allowed around the sighting. One that is registered in a room is seen there within those hours, or was carried there within
-- them; one that is seen in another room is told of there alone, and one without any hardware address is seen by nobody: unknown. A room
-- without witnesses, or whose witnesses said nothing within the hours, is unknown. An offence is over when the device has not been seen
-- there for those hours.
WITH
room AS (
    SELECT r.id, r.code, r.name, u.code AS unit, r.witnesses,
           (SELECT first(p.code ORDER BY a.valid_from, a.id) FROM assignment a JOIN person p ON p.id = a.person_id
            WHERE a.room_id = r.id AND a.duty = 'room_keeper' AND a.superseded_at IS NULL AND a.valid_from <= $at
              AND (a.valid_to IS NULL OR a.valid_to > $at)) AS person
    FROM machine_room r JOIN unit u ON u.id = r.unit_id WHERE r.state = 'in_service'
),
witness AS (SELECT id AS room_id, lower(trim(unnest(from_json(witnesses, '["VARCHAR"]')))) AS host FROM room),
seen AS (
    SELECT w.room_id, s.source_mac AS mac, s.timestamp, 'line:' || s.segment || ':' || s.seq AS line
    FROM sighting_event s JOIN witness w ON w.host = lower(s.host_name)
    WHERE s.source_mac IS NOT NULL AND s.timestamp > $at - to_hours(CAST($move_match_hours AS BIGINT))
),
watched AS (SELECT r.*, (SELECT count(*) FROM seen s WHERE s.room_id = r.id) AS sightings FROM room r),
card AS (SELECT d.id AS device_id, d.code, d.name, d.room_id, d.state, i.mac FROM device d JOIN interface i ON i.device_id = d.id WHERE i.mac <> ''),
moved AS (SELECT device_id, from_room_id, to_room_id, moved_at FROM equipment_move WHERE moved_at IS NOT NULL),
strange AS (
    SELECT s.room_id, s.mac, s.timestamp, s.line, c.device_id, c.code, coalesce(c.name, s.mac) AS name, c.room_id AS registered_in
    FROM seen s LEFT JOIN card c ON c.mac = s.mac
    WHERE c.device_id IS NULL OR (
        c.room_id IS DISTINCT FROM s.room_id AND NOT EXISTS (
            SELECT 1 FROM moved m WHERE m.device_id = c.device_id AND (m.from_room_id = s.room_id OR m.to_room_id = s.room_id)
              AND abs(epoch(m.moved_at - s.timestamp)) <= $move_match_hours * 3600
        )
    )
),
placed AS (
    SELECT d.id, d.code, d.name, r.id AS room_id,
           (SELECT count(*) FROM card c WHERE c.device_id = d.id) AS cards,
           (SELECT count(*) FROM card c JOIN seen s ON s.mac = c.mac AND s.room_id = r.id WHERE c.device_id = d.id) AS times,
           (SELECT max(moved_at) FROM moved m WHERE m.device_id = d.id) AS moved_at
    FROM device d JOIN watched r ON r.id = d.room_id WHERE d.state = 'in_service' AND r.sightings > 0
),
gone AS (
    SELECT * FROM placed WHERE cards > 0 AND times = 0
      AND (moved_at IS NULL OR moved_at <= $at - to_hours(CAST($move_match_hours AS BIGINT)))
      AND id NOT IN (SELECT device_id FROM strange WHERE device_id IS NOT NULL)
)
SELECT 'subject' AS kind, 'machine_room:' || code AS key, name AS label, unit, person,
       '' AS code, NULL AS params, NULL::VARCHAR[] AS evidence, NULL::TIMESTAMP AS since, '' AS detail
FROM watched WHERE sightings > 0
UNION ALL
SELECT 'subject', 'device:' || p.code, p.name, r.unit, r.person, '', NULL, NULL, NULL, ''
FROM placed p JOIN room r ON r.id = p.room_id WHERE p.cards > 0
UNION ALL
SELECT 'breach', CASE WHEN s.code IS NULL THEN 'machine_room:' || any_value(r.code) ELSE 'device:' || s.code END,
       CASE WHEN s.code IS NULL THEN any_value(r.name) ELSE s.name END, any_value(r.unit), any_value(r.person),
       CASE WHEN s.code IS NULL THEN 'equipment_unregistered' ELSE 'equipment_elsewhere' END,
       to_json({
           'device': s.name, 'room': any_value(r.name), 'registered': coalesce(any_value(o.name), ''), 'times': count(DISTINCT line),
           'hours': CAST($move_match_hours AS BIGINT), 'at': strftime(max(s.timestamp) + INTERVAL 8 HOUR, '%Y-%m-%d %H:%M')
       }),
       list(DISTINCT line ORDER BY line DESC)[1:20], min(s.timestamp), 'seen:' || any_value(r.code) || ':' || s.mac
FROM strange s JOIN room r ON r.id = s.room_id LEFT JOIN machine_room o ON o.id = s.registered_in
GROUP BY s.room_id, s.mac, s.code, s.name
UNION ALL
SELECT 'breach', 'device:' || g.code, g.name, r.unit, r.person, 'equipment_gone',
       to_json({'device': g.name, 'room': r.name, 'hours': CAST($move_match_hours AS BIGINT)}),
       ['device:' || g.id, 'machine_room:' || r.id], NULL, 'gone'
FROM gone g JOIN room r ON r.id = g.room_id
UNION ALL
SELECT 'unknown', 'device:' || p.code, p.name, r.unit, r.person, 'equipment_without_address', to_json({'device': p.name, 'room': r.name}), NULL, NULL, ''
FROM placed p JOIN room r ON r.id = p.room_id WHERE p.cards = 0
UNION ALL
SELECT 'unknown', 'machine_room:' || code, name, unit, person,
       CASE WHEN witnesses = '[]' THEN 'room_without_witness' ELSE 'room_witness_silent' END,
       to_json({'room': name, 'hours': CAST($move_match_hours AS BIGINT)}), NULL, NULL, ''
FROM watched WHERE sightings = 0
UNION ALL
SELECT 'unknown', '', '', NULL, NULL, 'no_rooms', NULL, NULL, NULL, '' WHERE (SELECT count(*) FROM room) = 0
ORDER BY ALL
