/*
 * style.c: the colours and letters of pictures and pages, for light and dark surroundings and for paper.
 *
 * The palette is that of Okabe and Ito (2008), Color Universal Design, whose blue and vermilion everybody can
 * tell apart; in the dark its lighter sky blue and orange. Curves differ in dashes and dots besides. The
 * steps of a heat map are one blue that only grows darker (ColorBrewer's Blues, Brewer and Harrower 2003), in
 * the dark one that only grows lighter: so they need no eye for colours.
 */
#include "see/style.h"

#define LIGHT                                                                                                \
    "--paper:#fff;--ink:#1b1f24;--soft:#57606a;--grid:#e3e6ea;--one:#0072b2;--two:#d55e00;--mark:#007a5a;"   \
    "--h0:#f1f5fa;--h1:#deebf7;--h2:#c6dbef;--h3:#9ecae1;--h4:#6baed6;"                                      \
    "--h5:#4292c6;--h6:#2171b5;--h7:#08519c;--h8:#08306b;"
#define DARK                                                                                                 \
    "--paper:#15181d;--ink:#e6e8eb;--soft:#a3acb8;--grid:#2e343c;--one:#56b4e9;--two:#e69f00;"               \
    "--mark:#2fbf94;"                                                                                        \
    "--h0:#1d2229;--h1:#1d3146;--h2:#1f4466;--h3:#235a8a;--h4:#2c73b0;"                                      \
    "--h5:#4a90cf;--h6:#74aee0;--h7:#a6cdf0;--h8:#deefff;"

const char style_picture[] =
    ".ctr{" LIGHT "max-width:100%;height:auto;font:13px system-ui,sans-serif}"
    "@media screen and (prefers-color-scheme:dark){.ctr{" DARK "}}"
    ".ctr .paper{fill:var(--paper)}"
    ".ctr text{fill:var(--ink)}"
    ".ctr .title{font-size:15px;font-weight:600}"
    ".ctr .soft{fill:var(--soft)}"
    ".ctr .end{text-anchor:end}"
    ".ctr .middle{text-anchor:middle}"
    ".ctr .grid,.ctr .axis,.ctr .one,.ctr .two,.ctr .mark,.ctr .chance{fill:none;stroke-width:1}"
    ".ctr .grid{stroke:var(--grid)}"
    ".ctr .axis,.ctr .chance{stroke:var(--soft)}"
    ".ctr .chance{stroke-dasharray:2 4}"
    ".ctr .one,.ctr .two{stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".ctr .one{stroke:var(--one);stroke-dasharray:6 4}"
    ".ctr .two{stroke:var(--two)}"
    ".ctr .mark{stroke:var(--mark);stroke-dasharray:4 3}"
    ".ctr .dot-one{fill:var(--paper);stroke:var(--one);stroke-width:2}"
    ".ctr .dot-two{fill:var(--two)}"
    ".ctr .dot-mark{fill:none;stroke:var(--mark);stroke-width:2}"
    ".ctr text.best{fill:var(--mark);font-weight:600}"
    ".ctr .fill{fill:var(--one)}"
    ".ctr .small{font-size:11px}"
    ".ctr .h0{fill:var(--h0)}.ctr .h1{fill:var(--h1)}.ctr .h2{fill:var(--h2)}.ctr .h3{fill:var(--h3)}"
    ".ctr .h4{fill:var(--h4)}.ctr .h5{fill:var(--h5)}.ctr .h6{fill:var(--h6)}.ctr .h7{fill:var(--h7)}"
    ".ctr .h8{fill:var(--h8)}";

const char style_page[] =
    ":root{color-scheme:light dark;" LIGHT "}"
    "@media screen and (prefers-color-scheme:dark){:root{" DARK "}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}"
    "h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}"
    "h2{font-size:1.15rem;margin:2.2rem 0 .6rem;padding-bottom:.3rem;border-bottom:1px solid var(--grid)}"
    "p{margin:.4rem 0;overflow-wrap:anywhere}"
    ".soft,th,dt{color:var(--soft)}"
    "dl.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.6rem;margin:1.2rem "
    "0}"
    "dl.cards div{border:1px solid var(--grid);border-radius:.5rem;padding:.5rem .8rem}"
    "dt{font-size:.8rem}"
    "dd{margin:0;font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}"
    ".wide{overflow-x:auto}"
    "table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}"
    "th,td{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid "
    "var(--grid);"
    "overflow-wrap:anywhere}"
    "td{min-width:7rem}" /* long names break, on narrow screens before short ones */
    "td.n,th.n{text-align:right;min-width:0;overflow-wrap:normal}td.n{white-space:nowrap}"
    "tr.best td{font-weight:600;color:var(--mark)}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:1rem;"
    "align-items:start}"
    ".pictures+.pictures{margin-top:1rem}"
    ".many svg:last-child{grid-column:1/-1}"
    ".share{display:inline-block;width:4rem;height:.6rem;margin-left:.5rem;background:var(--grid)}"
    ".share i{display:block;height:100%;background:var(--one)}"
    "@page{margin:15mm}"
    "@media "
    "print{:root{color-scheme:light}main{max-width:none;padding:0}body{font-size:10pt}table{font-size:8.5pt}"
    "th,td{padding-top:.1rem;padding-bottom:.1rem}h2{margin-top:1.4rem;break-after:avoid}"
    "h2,svg,tr,.cards div{break-inside:avoid}dl.cards{grid-template-columns:repeat(6,1fr);gap:.4rem}"
    "dl.cards div{padding:.3rem .5rem}dt{font-size:.7rem;white-space:nowrap}.wide{overflow:visible}"
    /* a picture fits a page, which has 25 cm on the smaller of usual papers; two curves fit half of one */
    ".pictures{display:block}.pictures svg{display:block;margin:0 auto .4cm;max-height:24cm}"
    ".pictures.curves svg{max-height:6.6cm}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}";
