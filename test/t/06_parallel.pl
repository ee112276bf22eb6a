# On a big table the planner really chooses parallel plans for scoring and for the metrics, with the same results.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(100000);
query(q{CREATE TABLE models (model ctr_model);
    INSERT INTO models SELECT ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1)) FROM criteo c WHERE id <= 20000;
    CREATE TABLE scored AS SELECT label, score
        FROM (SELECT label, ctr_predict(model, c) AS score FROM criteo c, models OFFSET 0) s, generate_series(1, 5);
    ANALYZE models, scored;});

my $serial = 'SET max_parallel_workers_per_gather = 0; ';
my $parallel = 'SET max_parallel_workers_per_gather = 2; ';
my $model = '(SELECT model FROM models)';
my %queries = (
    ctr_predict => "SELECT round(avg(ctr_predict($model, c))::numeric, 9) FROM criteo c",
    'ctr_predict in a filter' => "SELECT count(*) FROM criteo c WHERE ctr_predict($model, c) > 0.5",
    ctr_evaluate => "SELECT rows, round(loss::numeric, 9), round(auc::numeric, 9), accuracy, round(calibration::numeric, 9)
        FROM (SELECT (ctr_evaluate($model, c)).* FROM criteo c) e",
    ctr_auc => 'SELECT round(ctr_auc(label, score)::numeric, 12) FROM scored',
    ctr_logloss => 'SELECT round(ctr_logloss(label, score)::numeric, 12) FROM scored');

for my $name (sort keys %queries) {
    my $plan = query("${parallel}EXPLAIN $queries{$name}");
    like($plan, qr/Workers Planned/, "$name: a parallel plan");
    like($plan, qr/Partial Aggregate/, "$name: aggregated in the workers");
    is(query("$parallel$queries{$name}"), query("$serial$queries{$name}"), "$name: the same result");
    my $launched = query("${parallel}EXPLAIN (ANALYZE, COSTS off, TIMING off) $queries{$name}");
    like($launched, qr/Workers Launched: [12]/, "$name: workers ran");
}

unlike(query("${parallel}EXPLAIN SELECT ctr_train(c) FROM criteo c"), qr/Gather/, 'ctr_train reads its rows in order');

done_testing();
