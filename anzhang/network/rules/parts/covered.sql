-- Given `crossing(n, inner_ip, outer_ip, inner_zone, outer_zone, protocol, port, first_at, last_at)`: each beside every link that joins its
-- zones, from whichever end it is written, with what of the link's scope holds it; and whether what held then, or was recorded later and
-- reaches back, covers its first and its last contact. Where protocol and port are not asked they fit.
joined AS (
    SELECT c.n, c.first_at, c.last_at, c.protocol, c.port, v.*,
           EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'near' AND h.ip = c.inner_ip)
           AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'far' AND h.ip = c.outer_ip) AS addresses_fit
    FROM crossing c JOIN version v ON v.near_zone IS NOT DISTINCT FROM c.inner_zone AND v.far_zone IS NOT DISTINCT FROM c.outer_zone
    UNION ALL
    SELECT c.n, c.first_at, c.last_at, c.protocol, c.port, v.*,
           EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'far' AND h.ip = c.inner_ip)
           AND EXISTS (SELECT 1 FROM holds h WHERE h.id = v.id AND h.side = 'near' AND h.ip = c.outer_ip)
    FROM crossing c JOIN version v ON v.far_zone IS NOT DISTINCT FROM c.inner_zone AND v.near_zone IS NOT DISTINCT FROM c.outer_zone
),
beside AS (
    SELECT j.*, (j.port IS NULL AND coalesce(j.protocol, '') NOT IN ('icmp', 'ipv6-icmp')) OR EXISTS (
               SELECT 1 FROM link_port o WHERE o.link_id = j.id AND o.protocol = coalesce(replace(j.protocol, 'ipv6-icmp', 'icmp'), o.protocol)
                 AND coalesce(j.port, 0) BETWEEN o.first AND o.last
           ) AS ports_fit
    FROM joined j
),
covered AS (
    SELECT n, bool_or(first_at >= held_from AND first_at < held_to) AS first_held, bool_or(last_at >= held_from AND last_at < held_to) AS last_held,
           bool_or(stands AND first_at >= valid_from AND first_at < valid_to) AS first_later,
           bool_or(stands AND last_at >= valid_from AND last_at < valid_to) AS last_later,
           max(held_to) FILTER (WHERE first_at >= held_from AND first_at < held_to) AS until_at,
           min(held_from) FILTER (WHERE last_at >= held_from AND last_at < held_to) AS again_at
    FROM beside WHERE addresses_fit AND ports_fit GROUP BY n
),
judged AS (
    SELECT c.n, coalesce(v.first_held, false) AS first_held, coalesce(v.last_held, false) AS last_held,
           coalesce(v.first_later, false) AS first_later, coalesce(v.last_later, false) AS last_later,
           CASE WHEN v.n IS NULL OR NOT (v.first_held OR v.first_later) OR NOT (v.last_held OR v.last_later) THEN 'no'
                WHEN NOT (v.first_held AND v.last_held) THEN 'later' WHEN v.until_at < v.again_at THEN 'gap' ELSE 'yes' END AS state
    FROM crossing c LEFT JOIN covered v ON v.n = c.n
),
