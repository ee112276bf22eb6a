# A table of models survives pg_dump, and COPY as text and binary, byte for byte.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(2000);
query(<<'END');
CREATE TABLE models (name text PRIMARY KEY, model ctr_model);
INSERT INTO models
SELECT t, ctr_train(c, ctr_deepcross(cross_type => t) || ctr_fit(epochs => 1, ignore => '{id}'))
FROM criteo c, unnest('{matrix,vector,mix}'::text[]) t GROUP BY t;
INSERT INTO models VALUES ('none', NULL);
END

my $digest = q{SELECT md5(string_agg(concat(name, ':', coalesce(encode(model::bytea, 'hex'), 'null')), ',' ORDER BY name)) FROM };
my $before = query("$digest models");
my $predicted = q{SELECT md5(string_agg(ctr_predict(model, c)::text, ',' ORDER BY name, id)) FROM criteo c, };
my $scores = query("$predicted models");

for my $format ('text', 'binary') {
    my $file = scratch("models.$format");
    query("\\copy models TO '$file' (FORMAT $format)");
    query("CREATE TABLE models_$format (LIKE models);\n\\copy models_$format FROM '$file' (FORMAT $format)");
    is(query("$digest models_$format"), $before, "COPY as $format gives the same bytes");
    is(query("$predicted models_$format"), $scores, "and the same scores");
}

for my $format ('plain', 'custom') {
    my $file = scratch("dump.$format");
    my $restored = "${CtrTest::database}_$format";
    is(system("pg_dump --format=$format --file=$file $CtrTest::database"), 0, "pg_dump, $format");
    query("DROP DATABASE IF EXISTS $restored", database => 'postgres');
    query("CREATE DATABASE $restored", database => 'postgres');
    my $restore = $format eq 'plain' ? "psql -X -q -v ON_ERROR_STOP=1 -d $restored -f $file >/dev/null" : "pg_restore -d $restored $file";
    is(system($restore), 0, 'restore');
    is(query("$digest models", database => $restored), $before, 'a restored table has the same bytes');
    is(query("$predicted models", database => $restored), $scores, 'and gives the same scores');
    query("DROP DATABASE $restored", database => 'postgres');
}

is(query(q{SELECT bool_and(model::text = (model::bytea)::text) FROM models WHERE model IS NOT NULL}), 't',
    'text output is that of bytea');
is(query(q{SELECT bool_and((model::text)::ctr_model::bytea = model::bytea AND (model::bytea)::ctr_model::bytea = model::bytea)
           FROM models WHERE model IS NOT NULL}), 't', 'text input and the cast from bytea give it back');

my $other = "${CtrTest::database}_euc_jp";
query("DROP DATABASE IF EXISTS $other", database => 'postgres');
query("CREATE DATABASE $other ENCODING 'EUC_JP' LOCALE 'C' TEMPLATE template0", database => 'postgres');
query('CREATE EXTENSION ctr', database => $other);
is(query(q{SET client_min_messages = warning;
           WITH m AS (SELECT ctr_train(r, ctr_fit(epochs => 1)) AS model FROM (SELECT i % 2 AS label, i % 3 AS x, i::text AS c FROM generate_series(1, 99) i) r)
           SELECT ctr_predict(model, r) > 0 FROM m, (SELECT 1 AS x, '1'::text AS c) r}, database => $other), 't', 'another encoding');
query("DROP DATABASE $other", database => 'postgres');

done_testing();
