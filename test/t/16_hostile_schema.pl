# The extension is created by a superuser in a schema in which anybody may create objects, and somebody has: nothing of theirs
# runs, neither at CREATE EXTENSION nor when the superuser calls the extension's functions.
use strict;
use warnings;
use CtrTest;
use File::Basename qw(dirname);
use Test::More;

my $shop = "${CtrTest::database}_shop";
my %shop = (database => $shop);
my %intruder = (database => $shop, user => 'intruder');

# Every function of the extension as `name(types)`, from the database where it is.
my $members = q{pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e'
    JOIN pg_extension e ON refclassid = 'pg_extension'::regclass AND refobjid = e.oid AND extname = 'ctr'};
my @names = split /\n/, query("SELECT DISTINCT proname FROM $members");
my @builders = split /\n/, query(qq{SELECT DISTINCT string_agg('text,' || t::regtype, ',' ORDER BY n) FROM $members, unnest(proargtypes) WITH ORDINALITY u(t, n)
    WHERE proname IN ('ctr_fit', 'ctr_deepcross', 'ctr_fibinet', 'ctr_deepfm', 'ctr_wide_deep') GROUP BY p.oid});

sub new_database
{
    query("DROP DATABASE IF EXISTS $shop;\nDROP ROLE IF EXISTS intruder;\nCREATE ROLE intruder LOGIN;\nCREATE DATABASE $shop;", database => 'postgres');
    query('GRANT CREATE, USAGE ON SCHEMA public TO PUBLIC', %shop);
    query(q{CREATE TABLE ran (by text, what text); GRANT INSERT ON ran TO PUBLIC;
        CREATE FUNCTION record_run(what text) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.ran VALUES (current_user, what) $$;}, %intruder);
}

# What the intruder makes: a function that tells when it runs
sub trap
{
    my ($name, $arguments, $returns, $value) = @_;
    return qq{CREATE FUNCTION public.$name($arguments) RETURNS $returns LANGUAGE plpgsql AS \$\$
        BEGIN PERFORM public.record_run('$name($arguments)'); RETURN $value; END \$\$;\n};
}

new_database();
my $traps = join '', map { trap('jsonb_build_object', $_, 'jsonb', "'{}'") }
    @builders, map { "text,text,$_" } @builders;
$traps .= trap('jsonb_strip_nulls', 'text', 'jsonb', "'{}'") . trap('jsonb_strip_nulls', 'json', 'jsonb', "'{}'");
for my $name (@names) {
    $traps .= trap($name, join(',', ('anyelement') x $_), 'anyelement', '$1') for 3 .. 6;
    $traps .= trap($name, 'integer, VARIADIC anyarray', 'anyarray', '$2');
}
for my $operator ('=', '<>', '<', '<=', '>', '>=', '||') {
    my $function = 'operator_' . unpack('H*', $operator);
    $traps .= trap($function, 'anyelement, anyelement', 'boolean', 'true')
        . trap($function, 'jsonb, text', 'jsonb', "'{}'")
        . "CREATE OPERATOR public.$operator (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = public.$function);\n"
        . "CREATE OPERATOR public.$operator (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = public.$function);\n";
}
$traps .= trap('any_value', 'anyelement', 'boolean', 'true')
    . join '', map { "CREATE DOMAIN public.$_ AS pg_catalog.int4 CHECK (public.any_value(VALUE));\n" }
    qw(text jsonb bytea cstring record internal regtype float8 int4 bool "any");
query($traps, %intruder);
query(q{SELECT jsonb_strip_nulls('{}'::json) IS NOT NULL}, %intruder);
is(query('SELECT by, what FROM ran', %shop), 'intruder|jsonb_strip_nulls(json)', 'a trap tells');
query('DELETE FROM ran', %shop);

query('CREATE EXTENSION ctr SCHEMA public', %shop);
query(q{
    SELECT ctr_deepcross(), ctr_fibinet(n_classes => 3), ctr_deepfm(), ctr_wide_deep(), ctr_fit(epochs => 1) || ctr_fit(label => 'label'), ctr_options('{"epochs": 1}'::jsonb);
    SELECT count(*) FROM ctr_options();
    CREATE TABLE clicks AS SELECT (i % 3 = 0)::pg_catalog.int4 AS label, (i % 7)::pg_catalog.float8 AS price, 'c' || i % 5 AS city FROM generate_series(1, 300) i;
    CREATE TABLE m AS SELECT ctr_train(c, ctr_fit(epochs => 1)) AS model FROM clicks c;
    SELECT ctr_train(c) IS NULL, ctr_train(c, ctr_fit(epochs => 1), (SELECT model FROM m)) IS NULL FROM clicks c;
    SELECT count(ctr_predict(model, c)), count(ctr_predict_classes(model, c)), count(ctr_encode(model, c)), count(ctr_predict(model, (SELECT c))) FROM m, clicks c;
    SELECT ctr_predict_batch(model, c) OVER () FROM m, clicks c;
    SELECT ctr_evaluate(model, c) FROM m, clicks c;
    SELECT ctr_auc(label = 0, price), ctr_auc(label, price), ctr_logloss(label, price / 7), ctr_logloss(label = 0, price / 7) FROM clicks;
    SELECT ctr_config(model), ctr_state_dict(model), ctr_tensor(model, 'ctr.features.missing'::pg_catalog.text) FROM m;
    SELECT h.*, f.*, t.* FROM m, ctr_history(model) h, ctr_features(model) f, ctr_tensors(model) t;
    SELECT ctr_build_info(), model::pg_catalog.bytea::ctr_model::pg_catalog.text::ctr_model IS NULL FROM m;
    SELECT DISTINCT a.model = b.model, a.model < b.model, a.model <= b.model, a.model > b.model, a.model >= b.model, a.model <> b.model FROM m a, m b;
    SELECT ctr_describe(model), ctr_plot(model, 'importance'), ctr_report(model), ctr_load_weights(model, ctr_state_dict(model)) = model FROM m;
    SELECT s.*, i.*, j.* FROM m, ctr_summary(model) s, ctr_importance(model) i, ctr_interactions(model) j;
    SELECT v.*, e.* FROM m, ctr_vocabulary(model, 'city'::pg_catalog.text) v, ctr_embeddings(model, 'city'::pg_catalog.text) e;
    SELECT e.*, f.* FROM m, clicks c, LATERAL ctr_explain(model, c) e, LATERAL ctr_explain(model, c, 1) f;
    SELECT ctr_drift(model, c) FROM m, clicks c;
    SELECT ctr_calibration(label, price / 7), ctr_calibration(label = 0, price / 7, 3), ctr_plot_roc(label, price), ctr_plot_calibration(label, price / 7) FROM clicks;
    SELECT ctr_from_chunks(part, bytes) = (SELECT model FROM m) FROM m, ctr_chunks(model, 1000);
    SELECT CASE WHEN (ctr_build_info()).onnx IS NOT NULL THEN ctr_to_onnx(model) END FROM m;
    CREATE TABLE parts (LIKE clicks) PARTITION BY LIST (city);
    CREATE TABLE part_0 PARTITION OF parts FOR VALUES IN ('c0', 'c1');
    CREATE TABLE part_1 PARTITION OF parts DEFAULT;
    INSERT INTO parts SELECT * FROM clicks;
    CREATE TABLE run OF ctr_round;
    CALL ctr_train_distributed('parts', ctr_fit(epochs => 1), rounds => 2, checkpoint => 'run');
    SELECT ctr_evaluate_distributed('parts'::regclass, model), (SELECT ctr_evaluate_merge(part) FROM (SELECT ctr_evaluate_part(model, c) AS part FROM clicks c) p) FROM m;
    SELECT * FROM ctr_progress;
    SELECT * FROM ctr_model_cache;
    SELECT DISTINCT model FROM m ORDER BY model;
    SELECT count(*) FROM m a JOIN m b USING (model) GROUP BY a.model;}, %shop);
is(query('SELECT by, what FROM ran', %shop), '', 'nothing of the intruder ran');

# what is there already under a name of ours is not taken over
for my $object (['FUNCTION ctr_options(jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT $1 $$', 'function', '42723'],
    ['TYPE ctr_model AS (a integer)', 'type', '42710'], ['TYPE ctr_evaluation AS (a integer)', 'composite type', '42710'],
    ['DOMAIN ctr_model AS integer', 'domain', '42710']) {
    new_database();
    query("CREATE $object->[0]", %intruder);
    query_fails('CREATE EXTENSION ctr SCHEMA public', $object->[2], '.*already exists', "an intruder's $object->[1] is an error", %shop);
}
query("DROP DATABASE $shop;\nDROP ROLE intruder;", database => 'postgres');

# the rules that keep it so: what is PostgreSQL's is named with its schema; bodies in SQL have a search path of their own
my ($in_c, $in_sql, $more) = map { my $text = CtrTest::slurp(dirname(__FILE__) . "/../../sql/$_.sql"); $text =~ s{/\*.*?\*/|'(?:[^']|'')*'|--[^\n]*}{}gsr } qw(ctr ctr_distributed ctr_citus);
my $script = $in_c . "$in_sql$more" =~ s/\$\$.*?\$\$//gsr;
my %keywords = map { $_ => 1 } qw(name any bool); # argument names, and types that are written as keywords
my @types = grep { !$keywords{$_} } split /\n/, query(q{SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typname !~ '^_'});
my $types = join '|', @types;
is(join(', ', $script =~ /(?<![.\w])($types)(?!\w)(?!\s*=)/g), '', 'all types of PostgreSQL are named with their schema');
is(join(', ', $script =~ /(?:RESTRICT|JOIN) = (?!pg_catalog\.)(\w+)/g), '', 'and its selectivity functions');
unlike($in_c, qr/LANGUAGE (?!C\b)|BEGIN ATOMIC/i, 'ctr.sql: all functions are in C');
is(query(qq{SELECT string_agg(DISTINCT p.proname, ' ') FROM $members WHERE p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'c')
    AND p.prokind <> 'a' AND p.proconfig[1] IS DISTINCT FROM 'search_path=pg_catalog, pg_temp'}),
    'ctr_train_distributed', 'ctr_distributed.sql: only the procedure, which commits, has no search path but sets it');
my ($body) = $in_sql =~ /CREATE PROCEDURE .*?\bBEGIN\n(.*?)\nEND \$\$/s;
my @next = $body =~ /^ +(?:COMMIT|ROLLBACK);\s+([^\n]*|\z)/mg;
is(join(' ', map { /^PERFORM pg_catalog\.set_config\(/ ? 'set' : $_ } @next), 'set set set set ', 'after the end of each transaction, but the last');
done_testing();
