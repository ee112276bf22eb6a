# What a training tells: a line for each epoch, when it stops early or for time, and what it skipped.
use strict;
use warnings;
use CtrTest;
use Test::More;

query(q{CREATE TABLE noise AS SELECT i AS id, (i * 7919 % 2)::int AS label, i % 7 AS x, 'c' || i * 31 % 11 AS c
        FROM generate_series(1, 4000) i});

# the epochs in the history, and all that was said
sub train
{
    my ($options, $rows) = @_;
    my ($status, $out, $err) = run_psql("SELECT count(*), count(*) FILTER (WHERE is_best)
        FROM (SELECT ctr_train(n, ctr_fit(ignore => '{id}', $options)) AS model FROM ($rows) n OFFSET 0) m, ctr_history(model)");
    die $err if $status != 0;
    return (split(/\|/, $out), $err);
}

my $all = 'SELECT * FROM noise';
my ($epochs, $best, $said) = train("epochs => 3, patience => 0, lr_schedule => 'cosine'", $all);
is($epochs, 3, 'three epochs in the history');
is($best, 1, 'one of them is the best');
my $number = qr/\d\.\d{4}/;
my @lines = $said =~ m{epoch \d/3: train_loss $number val_loss $number val_auc $number(?: \(best\))?$}mg;
is(scalar @lines, 3, 'and a line for each');
like($lines[0], qr/\(best\)$/, 'the first is the best so far');
like($said, qr/NOTICE:  \d+: 3200 rows train, 800 validate: 1 number, 1 category column \(11 values\), \d{5} parameters, \d+ kB\n(?:LOCATION.*\n)?.*epoch 1/,
    'and before the first epoch what it trains on');

my $keys = "SELECT label, id, x * 0.37 * id AS price, x, c, 'k' || id AS key, CASE WHEN id <= 2000 THEN 'k' || id END AS other, 'p' || id / 2 AS pair FROM noise";
my ($status, undef, $errors) = run_psql("SELECT ctr_train(n, ctr_fit(epochs => 2)) IS NOT NULL FROM ($keys) n");
my @keys = $errors =~ /NOTICE:  \d+: (columns? .* training row)\n/g;
is("@keys", 'columns "id", "key", "other" differ in nearly every training row', 'columns that are keys are told of once');
like($errors, qr/differ in.*\nHINT:  What tells rows apart and nothing else belongs in the option "ignore"\.\n(?:.*\n){0,4}.*epoch 1/, 'before the first epoch');
(undef, undef, $errors) = run_psql("SELECT ctr_train(n, ctr_fit(epochs => 1)) IS NOT NULL FROM ($keys LIMIT 99) n");
unlike($errors, qr/differs? in/, 'in few rows it is nothing special');

my $paired = "SELECT id, (id * 31 % 11 < 5)::int # (x < 4)::int AS label, 'x' || x AS x, c FROM noise";
(undef, undef, $said) = train("epochs => 1, crosses => 'auto'", $paired);
like($said, qr/NOTICE:  \d+: pair of columns "x\*c" is a category besides\n/, 'pairs that were chosen are told of');
(undef, undef, $said) = train(q{epochs => 1, crosses => '[["x", "c"]]'}, $paired);
unlike($said, qr/pair of columns/, 'those that were given are not');

($epochs, undef, $said) = train("epochs => 3, patience => 0, lr_schedule => 'cosine', candidates => 2", $all);
is($epochs, 3, 'settings are compared: the history is that of one');
my $setting = qr/(?:first|learning_rate => 0\.001): val_loss $number val_auc $number/;
like($said, qr/NOTICE:  \d+: of 2 settings the best is $setting; $setting\n/, 'a line says what they are worth');
is(scalar(() = $said =~ m{epoch \d/3: }g), 3, 'and of epochs only those of the first are told of');

(undef, undef, $said) = train("epochs => 2, validation => 0", $all);
like($said, qr{epoch 2/2: train_loss $number$}m, 'without validation there is nothing to tell of it');

($epochs, undef, $said) = train("epochs => 500, patience => 2, lr_schedule => 'constant'", $all);
cmp_ok($epochs, '<', 500, 'noise stops early');
like($said, qr/stopped early: val_loss has not improved for 2 epochs, the best was epoch \d+/, 'and says so');

($epochs, $best, $said) = train("epochs => 100000, patience => 0, max_seconds => 0.3", $all);
cmp_ok($epochs, '<', 100000, 'max_seconds ends a training');
is($best, 1, 'with the best model so far');
like($said, qr{stopped after max_seconds = 0\.3 in epoch \d+/100000}, 'and says so');

(undef, undef, $said) = train("epochs => 1", "$all UNION ALL SELECT id, NULL, x, c FROM noise WHERE id <= 25");
like($said, qr/skipped 25 rows whose label "label" is NULL/, 'rows without a label are counted');
(undef, undef, $said) = train("epochs => 1, weight => 'w'", "SELECT *, (id > 7)::int AS w FROM noise");
like($said, qr/skipped 7 rows whose weight "w" is 0/, 'so are rows of weight 0');


# of groups: one line each, which names the group by the query's columns
(undef, undef, my $groups) = run_psql("SELECT x AS shelf, ctr_train(n, ctr_fit(ignore => '{id}', epochs => 3, patience => 1)) IS NULL
    FROM (SELECT id, CASE WHEN x <> 4 OR id % 50 > 0 THEN label END AS label, x, c FROM noise WHERE x IN (2, 4, 5)) n GROUP BY x");
my @told = $groups =~ /NOTICE: +\d+: (.*)/g;
is(scalar @told, 3, 'three groups, three lines');
for my $shelf (2, 4, 5) {
    my ($line) = grep { /\(shelf = $shelf\)/ } @told;
    like($line, qr/^group [123] \(shelf = $shelf\): \d{3} rows train, \d{2,3} validate, @{[$shelf == 4 ? '11 skipped, ' : '']}\d\d(\.\d)? % have label 1; epoch [123]: train_loss $number val_loss $number val_auc $number$/,
        "shelf $shelf by its name");
}

# keys that the query does not put out have their names all the same, wherever they come from
sub named
{
    my ($query) = @_;
    (undef, undef, my $said) = run_psql("$query;");
    $said =~ s/\(\((.*?)\)\)/($1)/g; # as EXPLAIN does
    return join ', ', sort map { /^group \d+ \((.*?)\): / ? $1 : 'alone' } $said =~ /NOTICE: +\d+: ((?:group|epoch).*)/g;
}

query("CREATE TABLE shelves AS SELECT * FROM (VALUES (2, 'low'), (4, 'high')) v (x, name)");
my $train = "ctr_train(n, ctr_fit(ignore => '{id}', epochs => 1)) IS NULL";
my $two = '(SELECT * FROM noise WHERE x IN (2, 4)) n';
for my $how ('hash', 'sort') {
    my $set = 'SET enable_' . ($how eq 'hash' ? 'sort' : 'hashagg') . ' = off;';
    is(named("$set SELECT $train FROM $two GROUP BY x"), 'x = 2, x = 4', "$how: a column that is not put out");
    is(named("$set SELECT $train FROM noise n WHERE x IN (2, 4) GROUP BY n.x > 3"), '(x > 3) = f, (x > 3) = t', "$how: an expression");
    is(named("$set SELECT $train FROM $two JOIN shelves s ON s.x = n.x GROUP BY name"), 'name = high, name = low',
        "$how: a column of a join");
    is(named("$set SELECT $train FROM (SELECT * FROM $two UNION ALL SELECT * FROM $two) n GROUP BY x"), 'x = 2, x = 4', "$how: of a union");
    is(named("$set SELECT x AS shelf, $train FROM noise n WHERE x = 2 GROUP BY x"), 'alone', "$how: a single group tells its epochs");
    is(named("$set SELECT x AS shelf, $train FROM noise n WHERE x IN (2, 4) GROUP BY x HAVING x = 2"), 'alone', "$how: also where HAVING leaves one");
}
is(named("SELECT $train FROM $two GROUP BY ROLLUP (x)"), 'x = 2, x = 4, x = NULL', 'grouping sets: a line for each');

done_testing();
