-- what models show of themselves: a line, layers, pictures, a page
\set VERBOSITY terse
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS ctr;
CREATE SCHEMA see;
SET search_path = see, public;
\pset null '-'

CREATE TABLE clicks AS
SELECT i AS id, (i * 7919 % 10 < CASE WHEN i % 3 = 0 THEN 7 ELSE 2 END)::int AS label,
       i * 31 % 970 / 80.0 AS price, 'c' || i % 3 AS city, 'd' || i * i % 7 AS device, i % 3 AS class
FROM generate_series(1, 3000) i;
CREATE FUNCTION trained(options jsonb) RETURNS ctr_model LANGUAGE sql AS $$
SELECT ctr_train(c, ctr_fit(epochs => 2, ignore => '{id,class}') || options) FROM (SELECT * FROM clicks ORDER BY id) c $$;
CREATE TABLE models AS
SELECT row_number() OVER () AS id, name, trained(options) AS model FROM (VALUES
    ('matrix', ctr_deepcross(mlp_layers => '{8}')),
    ('vector', ctr_deepcross('vector', mlp_layers => '{8}', mlp_dropout => 0)),
    ('mix, parallel', ctr_deepcross('mix', n_cross => 3, stacked => false)),
    ('each', ctr_fibinet(mlp_layers => '{8}', bilinear_type => 'field_each')),
    ('all', ctr_fibinet(bilinear_type => 'field_all')), ('interaction', ctr_fibinet()),
    ('fm', ctr_deepfm()), ('wide', ctr_wide_deep()),
    ('classes', ctr_deepcross(n_classes => 3) || '{"label": "class", "ignore": ["id", "label"]}'),
    ('no validation', ctr_fit(validation => 0))) v (name, options);

-- one line; sizes and figures differ between CPUs
SELECT name, regexp_replace(ctr_describe(model), '[0-9]+ (kB|bytes)|0\.[0-9]{4}|[12] of|\d{4}-\d\d-\d\d$', '#', 'g') AS describe
FROM models ORDER BY id;

-- layers
SELECT s.* FROM models, ctr_summary(model) s WHERE name = 'matrix';
SELECT s.* FROM models, ctr_summary(model) s WHERE name = 'all';
SELECT name, count(*) AS rows, sum(parameters) = (ctr_config(model)->>'parameters')::bigint AS add_up,
       count(*) FILTER (WHERE output_shape[1] <> -1 OR output_shape[2] < 1 OR kind = '') AS wrong,
       (array_agg(output_shape[2] ORDER BY n DESC))[1] AS last
FROM models, ctr_summary(model) WITH ORDINALITY s (layer, kind, output_shape, parameters, n)
GROUP BY models.id, name, model ORDER BY models.id;

-- pictures are well-formed, where the server can tell; all is ASCII without scripts
CREATE FUNCTION well_formed(picture text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM xmlparse(DOCUMENT picture);
    RETURN true;
EXCEPTION
    WHEN feature_not_supported THEN RETURN true;
    WHEN invalid_xml_document THEN RETURN false;
END $$;
CREATE FUNCTION occurrences(page text, pattern text) RETURNS bigint LANGUAGE sql AS
$$ SELECT count(*) FROM regexp_matches(page, pattern, 'g') $$;
SELECT name, plot, well_formed(svg) AS well_formed, svg ~ '^[ -~\n]*$' AS ascii,
       occurrences(svg, '<circle class="dot-(one|two)"') AS dots, occurrences(svg, 'best epoch') AS marks,
       occurrences(svg, 'not measured') AS not_measured
FROM models, unnest('{loss,auc}'::text[]) plot, ctr_plot(model, plot) svg
WHERE name IN ('matrix', 'classes', 'no validation') ORDER BY id, plot DESC;
SELECT name, well_formed(svg) AS well_formed, occurrences(svg, '<rect class="fill"') AS bars,
       (regexp_match(svg, '<g><title>([a-z]+):'))[1] = (SELECT feature FROM ctr_importance(model) LIMIT 1) AS first
FROM models, ctr_plot(model, 'importance') svg ORDER BY id;
SELECT name, well_formed(svg) AS well_formed, occurrences(svg, '<path class="h[0-8]"') AS pairs, occurrences(svg, '<path class="h8"') > 0 AS strongest,
       occurrences(svg, '<rect class="h[0-8]"') AS scale
FROM models, ctr_plot(model, 'interactions') svg ORDER BY id;
SELECT well_formed(svg) AS well_formed, svg ~ 'needs two features' AS says_so
FROM (SELECT ctr_plot(ctr_train(c, ctr_fit(epochs => 1)), 'interactions') AS svg FROM (SELECT label, price FROM clicks) c) s;
SELECT ctr_plot(model, 'los') FROM models WHERE name = 'matrix';

-- long trainings have no dots, but every epoch is in the curve
CREATE TABLE long AS SELECT trained(ctr_fit(epochs => 70, patience => 0) || '{"mlp_layers": [2], "n_cross": 1}') AS model
FROM generate_series(1, 1);
SELECT occurrences(svg, '<circle class="dot-(one|two)"') AS dots, well_formed(svg) AS well_formed,
       (SELECT array_agg(occurrences(d[1], '[ML]')) FROM regexp_matches(svg, 'class="(?:one|two)" d="([^"]{200,})"', 'g') d)
           AS points,
       occurrences(ctr_report(model), '<tr><td class="n">|<tr class="best">') AS epochs
FROM long, ctr_plot(model, 'loss') svg;

-- names are anybody's
CREATE TABLE odd AS
SELECT i % 2 AS label, i % 7 AS "<script>alert(1)</script>", 'a' || i % 3 AS U&"\0001\001f\007f\000d&\0022'",
       'b' || i % 2 AS "&amp;]]>", i % 5 AS "<!--" FROM generate_series(1, 200) i;
CREATE TABLE odd_model AS
SELECT ctr_train(o, ctr_fit(epochs => 1, crosses => '[["&amp;]]>", "\u0001\u001f\u007f\u000d&\"''"]]')) AS model FROM odd o;
SELECT page ~ '^[ -~\n]*$' AS ascii, page ~ '<td>&#x26;amp;]]&#x3E;</td>' AS escaped,
       page ~ '<td>&#x2401;&#x241F;&#x2421;&#x240D;&#x26;&#x22;&#x27;</td>' AS control_characters,
       occurrences(page, '<script|alert\(1\)</td>|<!--') AS scripts,
       well_formed(page) AS well_formed, well_formed('<a>&</a>') > well_formed('<a>') AS ampersand
FROM odd_model, ctr_report(model) page;

-- the page has what it should; every option, feature, layer
SELECT name, page ~ '^<!DOCTYPE html>' AS html, length(page) < 300000 AS small, well_formed(page) AS well_formed,
       occurrences(page, '<svg ') AS pictures, occurrences(page, '(src|href)="(?!data:,")') AS links,
       occurrences(page, '<h2>') AS sections,
       occurrences(page, '<tr>') = 5 + (SELECT count(*) FROM ctr_features(model))
           + (SELECT count(*) FROM ctr_summary(model))
           + (SELECT count(*) FROM jsonb_object_keys(ctr_config(model)->'options'))
           + jsonb_array_length(ctr_config(model)->'candidates')
           + (ctr_config(model)->>'epochs')::int - 1 AS complete
FROM models, ctr_report(model) page ORDER BY id;

-- what comes after the best epoch
SELECT name, (regexp_match(page, 'Epoch (\d+) goes on from epoch (\d+),'))[1] = ctr_config(model)->>'epochs' AS cooldown
FROM models, ctr_report(model) page WHERE name IN ('matrix', 'no validation') ORDER BY id;

-- curves of scores
CREATE TABLE scored AS SELECT (i * 7919 % 13 < 4) AS y, (i * 104729 % 97) / 100.0 AS s FROM generate_series(1, 5000) i;
SELECT well_formed(roc) AS roc, roc ~ ('AUC ' || round(auc::numeric, 4)) AS auc, occurrences(roc, 'L') < 420 AS few,
       well_formed(calibration) AS calibration, occurrences(calibration, '<circle') AS bins
FROM (SELECT ctr_plot_roc(y, s) AS roc, ctr_plot_calibration(y::int, s) AS calibration, ctr_auc(y, s) AS auc FROM scored) c;
SELECT ctr_plot_roc(1, 0.5) IS NULL AS one_class, ctr_plot_calibration(1, 0.5) IS NOT NULL AS one_row;
SELECT ctr_plot_roc(y, s) IS NULL AS roc, ctr_plot_calibration(y, s) IS NULL AS calibration FROM scored WHERE s > 2;
SELECT ctr_plot_roc(y::int, CASE WHEN y THEN 'Infinity' ELSE '-Infinity' END::float8) ~ 'AUC 1.0000' AS infinite FROM scored;
SELECT ctr_plot_calibration(y, s + 1) FROM scored;
