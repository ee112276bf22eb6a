# The number of threads changes no bit of a model.
use strict;
use warnings;
use CtrTest;
use Test::More;

generate_rows(20000);

for my $network ("ctr_deepcross()", "ctr_deepcross(cross_type => 'mix', low_rank => 8)",
    "ctr_deepcross(cross_type => 'vector', stacked => false)") {
    for my $recipe ('robust', 'reference') {
        my @digests = map {
            query("SET ctr.max_threads = 5; SET ctr.threads = $_;
                SELECT md5(string_agg(t.name || ctr_tensor(model, t.name)::text, ',' ORDER BY t.name))
                FROM (SELECT ctr_train(c, $network || ctr_fit(ignore => '{id}', epochs => 2, recipe => '$recipe')) AS model
                      FROM criteo c OFFSET 0) m, ctr_tensors(model) t WHERE t.name NOT LIKE 'ctr.history%'")
        } (1, 2, 5);
        is($digests[1], $digests[0], "$network, $recipe: 2 threads as 1");
        is($digests[2], $digests[0], "$network, $recipe: 5 threads as 1");
    }
}

my $differs = query(q{SELECT count(DISTINCT ctr_tensor(model, 'last_linear.weight')::text)
    FROM (SELECT s, ctr_train(c, ctr_fit(ignore => '{id}', epochs => 1, seed => s)) AS model
          FROM criteo c, generate_series(1, 2) s GROUP BY s) m});
is($differs, 2, 'another seed is another model');

done_testing();
