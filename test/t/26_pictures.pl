# Pictures and pages in a browser: headless Chromium opens each, with few features and many, on a light and on a dark
# screen; nothing complains on its console, and curves, dots and bars are there in their colours. On a telephone and on
# paper nothing is cut off; printed to PDF, every cell of every table is on the paper, and no page is empty.
use strict;
use warnings;
use CtrTest;
use Compress::Zlib qw(uncompress);
use Test::More;

my ($browser) = grep { defined } map { my $name = $_; (grep { -x } map { "$_/$name" } split /:/, $ENV{PATH})[0] }
  qw(chromium chromium-browser google-chrome);
plan skip_all => 'left out: there is no Chromium here that could open pictures and pages' unless $browser;

my %light = (paper => [255, 255, 255], one => [0, 114, 178], two => [213, 94, 0], mark => [0, 122, 90], heat => [8, 48, 107]);
my %dark = (paper => [21, 24, 29], one => [86, 180, 233], two => [230, 159, 0], mark => [47, 191, 148], heat => [222, 239, 255]);

sub command
{
    my (%options) = @_;
    my $size = $options{size} // '700,700';
    return ($browser, qw(--headless --no-sandbox --disable-gpu --hide-scrollbars --force-color-profile=srgb),
        '--force-device-scale-factor=1', "--window-size=$size", '--enable-logging=stderr', "--user-data-dir=@{[scratch('profile')]}",
        $options{dark} ? '--blink-settings=preferredColorScheme=0' : ());
}

# Opens a file; the console's lines, the document that it became, and the screen's pixels by colour
sub open_in_browser
{
    my ($file, %options) = @_;
    my @command = command(%options);
    my ($dom, $log, $png) = map { scratch($_) } qw(dom log shot.png);
    local $ENV{HOME} = scratch('');
    system("timeout 60 @command --dump-dom 'file://$file' >$dom 2>$log");
    system("timeout 60 @command --screenshot=$png 'file://$file' >/dev/null 2>>$log");
    my @complaints = grep { /CONSOLE/ } split /\n/, CtrTest::slurp($log);
    return (\@complaints, CtrTest::slurp($dom), colours(CtrTest::slurp($png)));
}

# how many pixels of a PNG have each colour, as "r,g,b"
sub colours
{
    my ($png) = @_;
    my ($at, $data, %count) = (8, '');
    my ($width, $height, $depth, $kind) = unpack 'NNCC', substr($png, 16, 10);
    while ($at < length $png) {
        my ($length, $type) = unpack 'Na4', substr($png, $at, 8);
        $data .= substr($png, $at + 8, $length) if $type eq 'IDAT';
        $at += $length + 12;
    }
    my $bytes = $kind == 6 ? 4 : 3;
    die "a PNG of kind $kind, depth $depth\n" unless $depth == 8 && ($kind == 2 || $kind == 6);
    my ($raw, @before) = (uncompress($data), (0) x ($width * $bytes));
    for my $row (0 .. $height - 1) {
        my ($filter, @line) = unpack 'C*', substr($raw, $row * ($width * $bytes + 1), $width * $bytes + 1);
        for my $i (0 .. $#line) {
            next unless $filter;
            my ($a, $b, $c) = $i < $bytes ? (0, $before[$i], 0) : ($line[$i - $bytes], $before[$i], $before[$i - $bytes]);
            my $guess = $filter == 1 ? $a : $filter == 2 ? $b : $filter == 3 ? int(($a + $b) / 2) : paeth($a, $b, $c);
            $line[$i] = ($line[$i] + $guess) & 255;
        }
        $count{ join ',', @line[$_ * $bytes .. $_ * $bytes + 2] }++ for 0 .. $width - 1;
        @before = @line;
    }
    return \%count;
}

sub paeth
{
    my ($a, $b, $c) = @_;
    my ($pa, $pb, $pc) = (abs($b - $c), abs($a - $c), abs($a + $b - 2 * $c));
    return $pa <= $pb && $pa <= $pc ? $a : $pb <= $pc ? $b : $c;
}

sub spill
{
    my ($file, $text) = @_;
    open my $out, '>:raw', $file or die;
    print $out $text;
    close $out;
}

# What a script finds in a page that is so many pixels wide; paper: by the rules for paper. Headless windows have a least
# width, frames have none.
sub measured
{
    my ($page, $width, $script, %options) = @_;
    local $ENV{HOME} = scratch('');
    if ($options{paper}) {
        $page =~ s/\@media screen and/\@media not all and/g;
        $page =~ s/\@media print/\@media all/g;
    }
    $page =~ s{</body>}{<script>parent.postMessage(String($script), "*")</script></body>} or die;
    spill(scratch('inner.html'), $page);
    spill(scratch('outer.html'), '<script>onmessage = (e) => document.title = e.data</script>' .
        "<iframe src='inner.html' width='$width' height='4000' style='border:0'></iframe>");
    my $file = scratch('outer.html');
    my @command = (command(%options), '--virtual-time-budget=5000');
    my ($title) = `timeout 120 @command --dump-dom 'file://$file' 2>/dev/null` =~ m{<title>(.*?)</title>};
    return $title;
}

# The PDF that the browser prints of a page: its text, ASCII without blanks, and of each sheet the share of pixels with ink.
sub printed
{
    my ($page) = @_;
    local $ENV{HOME} = scratch('');
    my ($file, $pdf, $sheets) = map { scratch($_) } qw(printed.html printed.pdf sheets);
    spill($file, $page);
    my @command = command();
    system("timeout 120 @command --no-pdf-header-footer --print-to-pdf=$pdf 'file://$file' >/dev/null 2>&1");
    my $text = `pdftotext -raw $pdf -` =~ s/[^!-~]+//gr;
    system("rm -rf $sheets && mkdir $sheets && pdftoppm -r 40 -png $pdf $sheets/sheet");
    my @ink;
    foreach my $sheet (glob("$sheets/*.png"))
    {
        my $colours = colours(CtrTest::slurp($sheet));
        my $all = 0;
        $all += $_ foreach values %$colours;
        push @ink, 1 - ($colours->{'255,255,255'} // 0) / $all;
    }
    return ($text, @ink);
}

# the cells of a page's tables, as ASCII without blanks, that a text has not
sub missing_cells
{
    my ($page, $text) = @_;
    my @cells = map { s/<[^>]*>//gr =~ s/&#x([0-9A-F]+);/chr hex $1/ger =~ s/[^!-~]+//gr } $page =~ m{<t[dh][^>]*>(.*?)</t[dh]>}g;
    return grep { length && index($text, $_) < 0 } @cells;
}

# a test: what SQL returns opens without complaints, and has so many pixels at least of each colour
sub shows
{
    my ($name, $type, $sql, $pixels, %options) = @_;
    my $file = scratch("picture.$type");
    my $palette = $options{dark} ? \%dark : \%light;
    spill($file, query($sql));
    my ($complaints, $dom, $colours) = open_in_browser($file, %options);
    is_deeply($complaints, [], "$name: the console is silent");
    unlike($dom, qr/parsererror|<script/, "$name: it is what it says, without scripts");
    my @missing = map { my $n = $colours->{ join ',', @{ $palette->{$_} } } // 0; $n < $pixels->{$_} ? "$_: $n" : () } sort keys %$pixels;
    is_deeply(\@missing, [], "$name: all is there, in its colours");
}

# that the tests above can fail
{
    spill(scratch('broken.html'), '<script>console.error("broken")</script>');
    my ($complaints, undef, $colours) = open_in_browser(scratch('broken.html'));
    is(scalar @$complaints, 2, 'what a console says is seen');
    is($colours->{ join ',', @{ $light{two} } } // 0, 0, 'an empty page has no curve');
}

query(<<'EOS');
CREATE TABLE models (name text, model ctr_model);
DO $$
DECLARE
    columns text;
    n int;
BEGIN
    FOREACH n IN ARRAY '{3,39,300}'::int[] LOOP
        SELECT string_agg(format(CASE WHEN k % 3 = 0 THEN '(hashint4(i * %1$s) & 1023) / 7.0 AS number_%1$s'
                                      ELSE $f$nullif('v' || (hashint4(i * %1$s) & 31), 'v7') AS category_%1$s$f$ END, k), ', ')
        INTO columns FROM generate_series(1, n) k;
        EXECUTE format('INSERT INTO models SELECT %L, ctr_train(c, ctr_fit(epochs => 3, patience => 0, lr_schedule => ''cosine'')) FROM
                        (SELECT ((hashint4(i) & 31) + (hashint4(i * 7) & 7) > 20)::int AS label, %s
                         FROM generate_series(1, 1500) i) c', n, columns);
    END LOOP;
END $$;
INSERT INTO models SELECT 'hostile', ctr_train(c, ctr_fit(epochs => 1)) FROM
    (SELECT i % 2 AS label, i % 7 AS "<script>alert(1)</script>", 'a' || i % 3 AS U&"\0001\001b</td>" FROM generate_series(1, 500) i) c;
INSERT INTO models SELECT 'wide', ctr_train(c, ctr_fit(epochs => 1)) FROM
    (SELECT i % 2 AS label, i % 7 AS "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", 'a' || i % 3 AS "ééééééééééééééééééééééééééééééé"
     FROM generate_series(1, 500) i) c;
INSERT INTO models SELECT 'slow', ctr_train(c, ctr_fit(epochs => 1, learning_rate => 0.000001)) FROM
    (SELECT hashint4(i) & 1 AS label, i % 7 AS a, 'a' || i % 3 AS b FROM generate_series(1, 5000) i) c;
INSERT INTO models SELECT 'long', ctr_train(c, ctr_fit(epochs => 50, patience => 0, lr_schedule => 'cosine')) FROM
    (SELECT i % 2 AS label, i % 7 AS a, 'a' || i % 3 AS b FROM generate_series(1, 500) i) c;
EOS

my %curves = (paper => 100000, one => 200, two => 300, mark => 50);
foreach my $name (qw(3 long)) {
    foreach my $dark (0, 1) {
        my $screen = $dark ? 'dark' : 'light';
        shows("$_ of \"$name\", $screen", 'svg', "SELECT ctr_plot(model, '$_') FROM models WHERE name = '$name'", \%curves, dark => $dark)
          foreach qw(loss auc);
    }
}
shows("importance of $_ features", 'svg', "SELECT ctr_plot(model, 'importance') FROM models WHERE name = '$_'",
    { paper => 50000, one => 3000 }, size => '700,1400')
  foreach qw(3 39 300);
shows("interactions of $_ features", 'svg', "SELECT ctr_plot(model, 'interactions') FROM models WHERE name = '$_'",
    { paper => 100000, heat => 400 })
  foreach qw(3 39 300);
shows('interactions, dark', 'svg', "SELECT ctr_plot(model, 'interactions') FROM models WHERE name = '39'", { paper => 100000, heat => 400 },
    dark => 1);
shows("report of $_ features", 'html', "SELECT ctr_report(model) FROM models WHERE name = '$_'",
    { %curves, one => 100 }, size => '1000,1600')
  foreach qw(3 39 300);
shows('report, dark', 'html', "SELECT ctr_report(model) FROM models WHERE name = '39'", { paper => 100000, two => 300, one => 100 }, dark => 1,
    size => '1000,1400');
shows('report, on a telephone', 'html', "SELECT ctr_report(model) FROM models WHERE name = '39'", { paper => 100000, two => 100 },
    size => '500,1600');
shows('report of hostile names', 'html', "SELECT ctr_report(model) FROM models WHERE name = 'hostile'", { paper => 100000, two => 10 },
    size => '1000,2000');

# Nothing is wider than a telephone or A4 less its margins, but for tables, which scroll there, and no name is broken into
# letters; on paper no picture is higher than a page.
my $wide = '[...document.querySelectorAll("main, main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1';
my $narrow = '[...document.querySelectorAll("td:not(.n)")].filter((e) => e.clientWidth < 90).length';
my $high = '[...document.querySelectorAll("svg")].filter((e) => e.getBoundingClientRect().height > 940).length';
foreach my $name (qw(3 39 300 wide)) {
    my $page = query("SELECT ctr_report(model) FROM models WHERE name = '$name'");
    is(measured($page, 390, "[$wide && !e.closest('.wide')).length, $narrow]"), '0,0', "report \"$name\" on a telephone: nothing is cut off");
    is(measured($page, 680, "[$wide).length, $narrow, $high]", paper => 1), '0,0,0', "report \"$name\" on paper: nothing is cut off");
}
# A name as wide as names can be ends with dots before the picture does.
my $outside = '[...document.querySelectorAll("svg text")].filter((e) => { const r = e.getBoundingClientRect(), s = ' .
  'e.closest("svg").getBoundingClientRect(); return r.left < s.left || r.right > s.right || r.bottom > s.bottom }).length';
foreach my $name (qw(39 300 wide))
{
    my $pictures = join '', map { query("SELECT ctr_plot(model, '$_') FROM models WHERE name = '$name'") } qw(importance interactions);
    is(measured("<body>$pictures</body>", 700, "[$outside, document.querySelectorAll('svg').length]"), '0,2',
        "pictures of \"$name\": all letters are inside");
}
# No two texts of a picture of curves lie upon each other, be the ticks' numbers short or long.
my $overlaps = '[...document.querySelectorAll("svg text")].map((e) => e.getBoundingClientRect()).filter((r, i, all) => ' .
  'all.some((s, j) => j < i && r.left < s.right && s.left < r.right && r.top < s.bottom && s.top < r.bottom)).length';
foreach my $picture ((map { my $name = $_; map { "ctr_plot(model, '$_') FROM models WHERE name = '$name'" } qw(loss auc) } qw(3 slow long)),
    map { "ctr_plot_calibration((i % 100 = 0)::int, i % 50 / $_.0) FROM generate_series(1, 10000) i" } 100, 1000, 100000)
{
    is(measured('<body>' . query("SELECT $picture") . '</body>', 700, $overlaps), '0', "$picture: no text upon another");
}
is(measured('<body><svg><text y="50">one</text><text x="5" y="55">two</text></svg></body>', 700, $overlaps), '1', 'texts upon texts are seen');
is(measured('<body><svg width="100"><text x="90">outside</text></svg></body>', 700, $outside), '1', 'letters outside are seen');
is(measured('<body><main><p style="width:700px">wide</p></main></body>', 680, "$wide).length", paper => 1), '1', 'what is cut off is seen');

SKIP:
{
    skip 'left out: there is no pdftotext and pdftoppm here (poppler-utils) that could read a PDF', 1
      if grep { my $name = $_; !grep { -x "$_/$name" } split /:/, $ENV{PATH} } qw(pdftotext pdftoppm);
    foreach my $name (qw(3 39 300 wide hostile long))
    {
        my $page = query("SELECT ctr_report(model) FROM models WHERE name = '$name'");
        my ($text, @ink) = printed($page);
        is_deeply([ missing_cells($page, $text) ], [], "report \"$name\" printed: every cell is on the paper");
        cmp_ok(scalar @ink, '>', 1, "on @{[scalar @ink]} sheets");
        is_deeply([ grep { $_ < 0.005 } @ink ], [], 'none of them empty');
    }
    my $page = '<body><table><tr><td style="padding-left:3000px">lost</td></tr></table><p style="break-before:page">&nbsp;</p></body>';
    my ($text, @ink) = printed($page);
    is_deeply([ missing_cells($page, $text) ], ['lost'], 'a cell that is cut off is seen');
    cmp_ok((sort @ink)[0], '<', 0.005, 'and an empty sheet');
}

my $scores = 'FROM (SELECT i * 7919 % 100 < i % 50 AS y, i % 50 / 100.0 AS s FROM generate_series(1, 10000) i) t';
shows('ROC curve', 'svg', "SELECT ctr_plot_roc(y, s) $scores", { paper => 100000, two => 300 });
shows('calibration', 'svg', "SELECT ctr_plot_calibration(y, s) $scores", { paper => 100000, two => 300 });
cmp_ok(query("SELECT length(ctr_report(model)) FROM models WHERE name = '39'"), '<', 300 * 1024, 'a report of 39 features is small');

done_testing();
