// The report's style sheet: few colours, each defined for light and for dark; paper is always light.

#include "train/report/parts.h"

namespace vmoe {

const char* const kReportStyle = R"css(
:root { color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --text: #1c2126; --muted: #5d6872; --rule: #dde1e5; --frame: #d9690f;
  --heat: #1b5fa8; --paper: #f1f4f7; --inverse: #ffffff;
  --s0: #1c6dc0; --s1: #cc5500; --s2: #0f8259; --s3: #b03a8a; --s4: #6a55c9; --s5: #94700a; --s6: #2b8699; --s7: #6b6f76 }
@media screen and (prefers-color-scheme: dark) { :root {
  --page: #111417; --card: #1a1e22; --text: #e7eaec; --muted: #9aa5ae; --rule: #333a41; --frame: #ff9646;
  --heat: #6fb4ff; --paper: #22272d; --inverse: #10151a;
  --s0: #62aef5; --s1: #ff9a52; --s2: #4bc896; --s3: #ea8fcd; --s4: #ab9df8; --s5: #ddb63c; --s6: #6ecbe0; --s7: #b4bac1 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 48px }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; overflow-wrap: anywhere }
h2 { font-size: 21px; margin: 40px 0 12px; letter-spacing: -0.005em }
h3 { font-size: 15px; margin: 0 0 8px }
h3 small, th small, td small { display: block; font-weight: 400; font-size: 12.5px; line-height: 1.35; color: var(--muted);
  overflow-wrap: anywhere }
p { margin: 0 0 10px; max-width: 74ch }
.data { color: var(--muted) }
.lead { font-size: 18.5px; margin: 16px 0 0; max-width: 72ch }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 16px; }
figure, .card { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px;
  min-width: 0 }
figure + figure, figure + .card, .card + figure { margin-top: 16px }
.pair > * + * { margin-top: 0 !important }
body { counter-reset: figure table }
figcaption { counter-increment: figure } figcaption::before { content: "Figure " counter(figure) ". " }
#arms figcaption, #differences figcaption { counter-increment: table }
#arms figcaption::before, #differences figcaption::before { content: "Table " counter(table) ". " }
figcaption::before { font-weight: 600; color: var(--text) }
figcaption { color: var(--muted); font-size: 13.5px; line-height: 1.4; margin-top: 8px; max-width: 80ch }
.card p { font-size: 14.5px }
.missing { color: var(--muted); font-style: italic; margin: 8px 0 }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; max-width: none; margin: 0 0 12px }
.legend span { white-space: nowrap; max-width: 100%; overflow: hidden; text-overflow: ellipsis }
.key { width: 14px; height: 14px; margin-right: 6px; vertical-align: -2px }
.shades { font-size: 12.5px; gap: 4px 14px; color: var(--muted); margin: 8px 0 0 }
table { border-collapse: collapse; width: 100%; font-size: 14.5px; font-variant-numeric: tabular-nums }
th, td { padding: 8px 10px; text-align: right; vertical-align: top; border-top: 1px solid var(--rule) }
thead th { border-top: 0; font-weight: 600; font-size: 13px; vertical-align: bottom; color: var(--muted) }
th:first-child, .pairs td:nth-child(-n+2), .pairs th:nth-child(-n+2) { text-align: left; padding-left: 0 }
td:last-child, th:last-child { padding-right: 0 }
tbody th { font-weight: 600 }
.pairs td { overflow-wrap: anywhere } .pairs td:last-child { white-space: nowrap }
.arms td, .arms thead th { white-space: nowrap }
.arms tbody th { max-width: 330px; overflow-wrap: anywhere }
.differences .bar-cell { width: 44%; padding-top: 0; padding-bottom: 0; vertical-align: middle }
.bars { display: block; width: 100%; max-width: 420px; margin-left: auto; overflow: visible }
.chart { display: block; width: 100%; height: auto; overflow: visible }
.chart text, .bars text { font-family: inherit; font-size: 12px; fill: var(--muted) }
.chart .name { fill: var(--text) }
.chart .label { font-size: 12.5px; fill: currentColor; font-weight: 600;
  paint-order: stroke; stroke: var(--card); stroke-width: 3px; stroke-linejoin: round }
.chart .value { font-size: 11px; fill: var(--text) }
.chart .value.inverse { fill: var(--inverse) }
.grid { stroke: var(--rule); stroke-width: 1 }
.axis { stroke: var(--muted); stroke-width: 1 }
.zero { stroke: var(--muted); stroke-width: 1; stroke-dasharray: 3 2 }
.s0 { color: var(--s0) } .s1 { color: var(--s1) } .s2 { color: var(--s2) } .s3 { color: var(--s3) }
.s4 { color: var(--s4) } .s5 { color: var(--s5) } .s6 { color: var(--s6) } .s7 { color: var(--s7) }
.marker { fill: currentColor; stroke: var(--card); stroke-width: 1 }
.bar { stroke: currentColor; stroke-width: 1.6 }
.seed { stroke: currentColor; stroke-width: 1.2; opacity: 0.6 }
.whisker { stroke: currentColor; stroke-width: 1.4; stroke-dasharray: 2 2; opacity: 0.75 }
.leader { stroke: currentColor; stroke-width: 0.8; opacity: 0.6 }
.curve { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round }
.dashed { stroke-dasharray: 5 3 }
.thin { fill: none; stroke: currentColor; stroke-width: 0.8; opacity: 0.4 }
.arm:hover .curve { stroke-width: 3.5 }
.paper { fill: var(--paper) }
.heat { fill: var(--heat) }
.frame { fill: none; stroke: var(--frame); stroke-width: 1.5 }
@media screen and (prefers-color-scheme: dark) { .matrix { filter: invert(0.9) hue-rotate(180deg) } }
.blocks { columns: 3 300px; column-gap: 28px }
.block { break-inside: avoid; padding-bottom: 18px }
.experts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 18px 28px }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(56px, 1fr)); gap: 8px }
.example { min-width: 0; font-size: 11px; line-height: 1.25; color: var(--muted) }
.example img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; border-radius: 4px; background: var(--paper) }
.example img.small { image-rendering: pixelated }
.example span { display: block; margin-top: 3px; overflow-wrap: anywhere }
pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace }
footer { margin-top: 32px; color: var(--muted); font-size: 13.5px }
@media (max-width: 600px) {
  main { padding: 20px 12px 32px }
  h1 { font-size: 24px } h2 { margin-top: 30px } .lead { font-size: 17px }
  figure, .card { padding: 12px; border-radius: 8px }
  .chart:not(.heatmap) .tick, .chart:not(.heatmap) .name, .bars text { font-size: 13.5px }
  .arms, .arms tbody, .differences, .differences tbody, .differences thead { display: block }
  .arms thead { display: none }
  .arms tr { display: grid; grid-template-columns: 1fr 1fr; border-top: 1px solid var(--rule); padding: 10px 0 }
  .arms tr:first-child { border-top: 0; padding-top: 0 }
  .arms th, .arms td { border: 0; padding: 2px 0; text-align: left }
  .arms th { grid-column: 1 / -1; max-width: none }
  .arms td::before { content: attr(data-is); display: block; font-size: 12px; color: var(--muted) }
  .arms td small::before { content: attr(data-is) " " }
  .differences tr { display: grid; grid-template-columns: 1fr auto; border-top: 1px solid var(--rule) }
  .differences thead tr { border-top: 0 }
  .differences th, .differences td { border: 0; padding-right: 0 }
  .differences .bar-cell { grid-column: 1 / -1; width: auto; padding: 0 }
  .bars { max-width: none }
}
@media print {
  :root { color-scheme: light; --page: #ffffff }
  body { font-size: 10.5pt } main { max-width: none; padding: 0 }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
  figure, .card, tr, .expert { break-inside: avoid } #heat, #examples { break-inside: auto }
  h2, h3 { break-after: avoid }
  table { font-size: 8.5pt } th, td { padding: 4pt 6pt } thead th, th small, td small { font-size: 7.5pt }
  .pair, .experts { grid-template-columns: 1fr 1fr; gap: 9pt } .blocks { columns: 3 }
  figure, .card { padding: 8pt; border-radius: 0 } figcaption, .legend, .card p { font-size: 8.5pt }
  h2 { margin-top: 18pt } .legend { break-after: avoid }
  .examples { grid-template-columns: repeat(8, 1fr); gap: 4pt } .example { font-size: 6.5pt } footer { margin-top: 9pt }
}
)css";

}  // namespace vmoe
