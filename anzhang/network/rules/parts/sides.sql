-- Given `fact(source_ip, destination_ip, ...)` and the zones: each fact with the zone and kind of both ends; and the links that the leading
-- group approved, each row as it was believed from its recording until it was superseded, and as it says today (`stands`) of the time before.
sided AS (
    SELECT f.*, x.zone_id AS x_zone, x.kind AS x_kind, y.zone_id AS y_zone, y.kind AS y_kind
    FROM fact f JOIN placed x ON x.ip = f.source_ip JOIN placed y ON y.ip = f.destination_ip
),
version AS (
    SELECT l.id, l.code, greatest(l.valid_from, l.recorded_at) AS held_from,
           least(l.valid_to, l.superseded_at, a.valid_to, TIMESTAMP '9999-01-01') AS held_to,
           l.valid_from, least(l.valid_to, a.valid_to, TIMESTAMP '9999-01-01') AS valid_to, l.superseded_at IS NULL AS stands,
           CASE WHEN x.kind <> 'internet' THEN l.near_zone_id END AS near_zone, CASE WHEN y.kind <> 'internet' THEN l.far_zone_id END AS far_zone
    FROM link l JOIN approval a ON a.id = l.basis_id AND a.authority = 'leading_group'
    JOIN zone x ON x.id = l.near_zone_id JOIN zone y ON y.id = l.far_zone_id
),
holds AS (SELECT DISTINCT a.ip, n.link_id AS id, n.side FROM address a JOIN link_network n ON a.k BETWEEN n.first AND n.last),
