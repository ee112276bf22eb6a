# Few rows and rare clicks: probabilities hold on rows that the model has not seen, whatever the network.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

my $script = dirname(__FILE__) . '/../bench/planted.sql';
query("SET client_min_messages = warning;\n\\set seed 1\n\\set rows 10000\n\\i $script");

# tables where the features tell enough apart, so that chance does not decide,
# and one of twenty clicks over hundreds of categories, from which a network can learn the opposite
for my $cell ([1000, 0.02, 'many', 1.02], [1000, 0.1, 'few'], [1000, 0.5, 'smooth'], [5000, 0.02, 'few'], [5000, 0.1, 'many'], [10000, 0.02, 'smooth'],
    [10000, 0.02, 'few']) {
    my ($rows, $share, $kind, $worst) = (@$cell, 0.98);
    for my $network ('deepcross', 'fibinet') {
        my ($entropy, $calibration) = split /\|/, query("SET client_min_messages = error;
            SELECT normalized_entropy, calibration FROM planted('$kind', $rows, $share, '{\"architecture\": \"$network\"}')");
        my $name = sprintf('%s, %d rows "%s", %d %% clicks', $network, $rows, $kind, $share * 100);
        cmp_ok($entropy, '<', $worst, "$name: normalized entropy");
        cmp_ok($calibration, '>', 0.8, "$name: calibration");
        cmp_ok($calibration, '<', 1.25, "$name: calibration");
    }
}

# A network that knows its 40 clicks by heart: without what validation rows say of rows not seen, the mean prediction is 0.58 of the
# mean label.
query("SET client_min_messages = warning;\nCREATE SCHEMA by_heart; SET search_path = by_heart, public;
\\set seed 1\n\\set rows 2000\n\\i $script");
my $by_heart = query(q(SET client_min_messages = error; SET search_path = by_heart, public;
    SELECT calibration FROM planted('many', 2000, 0.02, '{"mlp_dropout": 0, "embedding_decay": 0, "learning_rate": 0.01}')));
cmp_ok($by_heart, '>', 0.8, "known by heart: calibration $by_heart");
cmp_ok($by_heart, '<', 1.25, 'of rows not seen');

# weights count: among rows where clicks weigh a tenth, one in eleven is one
my $halves = "(SELECT (k <= n / 2)::int AS label, CASE WHEN k <= n / 2 THEN 0.1 ELSE 1 END AS w, r.*
    FROM (SELECT rank() OVER (ORDER BY score DESC) AS k, count(*) OVER () AS n, p.* FROM planted_few p WHERE id BETWEEN %s) r)";
my ($training, $held_out) = map { sprintf($halves, $_) } ('1 AND 5000', '-10000 AND -1');
my $mean = query("SET client_min_messages = error;
    WITH m AS MATERIALIZED (SELECT ctr_train(r, ctr_fit(weight => 'w', ignore => '{id,score,k,n}')) AS model FROM $training r)
    SELECT sum(w * ctr_predict(model, r)) / sum(w) FROM m, $held_out r");
cmp_ok($mean, '>', 0.8 / 11, "weighted: mean prediction $mean");
cmp_ok($mean, '<', 1.25 / 11, 'of 1 in 11');

# classes alike: mean probabilities are the classes' shares
my @means = split /\|/, query("SET client_min_messages = error;
    WITH r AS (SELECT CASE WHEN k <= 60 THEN 2 WHEN k <= 300 THEN 1 ELSE 0 END AS label, p.* FROM (SELECT rank() OVER (ORDER BY score DESC) AS k, p.* FROM planted_smooth p WHERE id BETWEEN 1 AND 3000) p),
    m AS MATERIALIZED (SELECT ctr_train(r, ctr_deepcross(n_classes => 3) || ctr_fit(ignore => '{id,score,k}')) AS model FROM r)
    SELECT avg(p[1]) / 0.9, avg(p[2]) / 0.08, avg(p[3]) / 0.02 FROM m, planted_smooth t, LATERAL ctr_predict_classes(model, t) p WHERE id < 0");
cmp_ok($means[$_], '>', 0.75, "class $_: mean probability ÷ share") && cmp_ok($means[$_], '<', 1.33, "class $_") for 0 .. 2;

# Where every feature is constant, nothing tells rows apart: not in training, nor what no training row had. Batch normalisation
# that magnifies a column without variance made of embeddings that no row has trained, and of its own lag, scores of 0 and 1.
# DeepFM is without target statistics here: out of folds these differ a little, which is a variance, and which it magnifies.
query("CREATE TABLE constant AS SELECT (i % 4 = 0)::int AS label, 'a'::text AS c, 'd'::text AS d, 7 AS x FROM generate_series(1, 400) i");
my %options = (map({ $_ => qq({"architecture": "$_"}) } qw(deepcross fibinet wide_deep)), deepfm => '{"architecture": "deepfm", "target_statistics": false}', crosses => '{"crosses": [["c", "d"]]}', none => '{"numerical_transform": "none"}',
    parallel => '{"stacked": false}', 'no statistics' => '{"target_statistics": false}');
query('CREATE TABLE constants (name text, model ctr_model)');
query("SET client_min_messages = error; INSERT INTO constants SELECT '$_', ctr_train(r, '$options{$_}') FROM constant r") for sort keys %options;
query(<<'END');
SET client_min_messages = error;
CREATE TABLE halves AS SELECT l.*, i % 2 AS half FROM constant l, generate_series(1, 2) i;
CREATE TABLE pass AS SELECT ctr_prepare(h, '{"ignore": ["half"], "crosses": "none", "epochs": 4}') AS part FROM halves h GROUP BY half;
CREATE TABLE labels AS SELECT ctr_prepare(h, NULL, m) AS part FROM halves h, (SELECT ctr_merge(part) AS m FROM pass) p GROUP BY half;
CREATE TABLE trained AS SELECT ctr_train(h, NULL, m) AS part FROM halves h, (SELECT ctr_merge(part) AS m FROM labels) l GROUP BY half;
INSERT INTO constants SELECT 'parts', ctr_merge(part) FROM trained;
END
for (split /\n/, query(q{SELECT name, min(p), max(p) FROM constants, (VALUES ('a', 'd', 7), ('b', 'd', 7), (NULL, 'd', 7), ('a', 'e', 8), ('b', NULL, -1e9), (NULL, NULL, NULL)) r(c, d, x),
    LATERAL ctr_predict(model, r) p GROUP BY name ORDER BY name})) {
    my ($name, $least, $most) = split /\|/;
    cmp_ok($least, '>', 0.2, "$name: a row that is like no training row") && cmp_ok($most, '<', 0.3, 'is like all of them');
}

# Products of embeddings begin with a variance that is small, but real: the network scores as it trains.
query(q{CREATE TABLE products AS SELECT i, 'a' || (hashint4(i) & 7) AS a, 'b' || (hashint4(i + 1000000) & 7) AS b, 'c' || (hashint4(i + 2000000) & 15) AS c,
    (hashint4(i + 3000000) & 1023) / 1024.0 AS u FROM generate_series(1, 9000) i;
    ALTER TABLE products ADD label int; UPDATE products SET label = (u < 0.2 + 0.6 * ((substr(a, 2)::int + substr(b, 2)::int) & 1))::int;});
my $auc = query(q{SET client_min_messages = error; WITH m AS MATERIALIZED (SELECT ctr_train(p, ctr_fibinet() || ctr_fit(ignore => '{i,u}', target_statistics => false)) AS model FROM products p WHERE i <= 5000)
    SELECT ctr_auc(label, ctr_predict(model, p)) FROM m, products p WHERE i > 5000});
cmp_ok($auc, '>', 0.78, 'FiBiNET of categories alone');

done_testing();
