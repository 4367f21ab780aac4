/** The budget: slider, pins, the plan that follows from them. Plans are solved by one worker, drawn by another. */
import { breath } from '../src/progress.ts';
import { damageIn } from '../src/report/parts.ts';
import { formatBytes, formatCount, formatNumber, formatRatio } from '../src/report/text.ts';
import type { Client } from './client.ts';
import { alertText, at, element, input } from './dom.ts';
import type { DrawCalls, Measured, SolveCalls, Solved } from './protocol.ts';

const DEFAULT_BITS = 4.1;
/** Rows of the table that are made or filled at once. */
const ROWS = 10;
const FLOAT = 32;

const widthText = (bits: number): string => (bits === FLOAT ? 'float' : String(bits));

export class Panel {
  #measured: Measured | undefined;
  #solved: Solved | undefined;
  #wanted: number | undefined;
  #running = false;
  #drawing = false;
  /** Whether what is drawn is not what is shown. */
  #behind = false;
  /** Whether the lines that plans are drawn on are of other pins, or of another measurement. */
  #changed = true;
  /** Counts what is put into the table, so that a slower filling of it gives way to a later one. */
  #filled = 0;

  constructor(
    private readonly solver: Client<SolveCalls>,
    private readonly artist: Client<DrawCalls>,
  ) {}

  get solved(): Solved | undefined {
    return this.#solved;
  }

  /** Budget that the slider stands at, in average bits. */
  get bits(): number {
    return Number(input('bits').value);
  }

  /** Starts anew from a measurement. @throws Failure */
  async take(measured: Measured): Promise<void> {
    const solved = await this.solver.call('take', { measured, bits: DEFAULT_BITS });
    this.#measured = measured;
    at('layers').replaceChildren();
    at('plot').replaceChildren();
    this.#limit(solved, DEFAULT_BITS);
  }

  /** The slider was moved: its plan, or that of its last place if it moves faster than plans are made. */
  async slide(): Promise<void> {
    this.#wanted = this.bits;
    if (this.#running) return;
    this.#running = true;
    try {
      while (this.#wanted !== undefined) {
        const bits = this.#wanted;
        this.#wanted = undefined;
        this.#say(await this.solver.call('solve', { bits }), bits);
        void this.#draw();
      }
    } catch (error) {
      alertText(error);
    } finally {
      this.#running = false;
    }
  }

  /** Pins every layer to its width in a plan. @throws Failure */
  async load(text: string): Promise<void> {
    const solved = await this.solver.call('load', { text });
    this.#limit(solved, solved.plan.averageBits);
  }

  async pin(layer: string, width: number): Promise<void> {
    alertText('');
    try {
      const { bits } = this;
      this.#limit(await this.solver.call('pin', { layer, width, bits }), bits);
    } catch (error) {
      alertText(error);
      void this.fill();
    }
  }

  /** Brings the slider into what plans can have. */
  #limit(solved: Solved, bits: number): void {
    const slider = input('bits');
    slider.min = String(Math.ceil(solved.least * 100) / 100);
    slider.max = String(Math.max(Number(slider.min), Math.floor(solved.most * 100) / 100));
    slider.value = String(Math.min(Number(slider.max), Math.max(Number(slider.min), bits)));
    this.#changed = true;
    this.#say(solved, this.bits);
    void this.slide();
  }

  #say(solved: Solved, budget: number): void {
    this.#solved = solved;
    const { plan } = solved;
    const { table, quantizable } = this.#measured!;
    const damage = damageIn(table.unit);
    at('bits-said').textContent = formatNumber(plan.averageBits, 3);
    at('predicted').textContent = `${damage.format(plan.predicted) ?? '-'} (${damage.title})`;
    at('bytes').textContent = formatBytes(plan.bytes);
    at('ratio').textContent = formatRatio((4 * quantizable) / plan.bytes);
    at('s-budget').dataset.budget = String(budget);
    void this.fill();
  }

  /** Draws the plan that is shown; where plans come faster than they are drawn, the last of them. */
  async #draw(): Promise<void> {
    this.#behind = true;
    if (this.#drawing) return;
    this.#drawing = true;
    try {
      while (this.#behind) {
        this.#behind = false;
        if (this.#changed) {
          this.#changed = false;
          await this.artist.call('take', { measured: this.#measured!, pins: this.#solved!.pins });
        }
        const { averageBits, predicted } = this.#solved!.plan;
        at('plot').innerHTML = await this.artist.call('frontier', { averageBits, predicted });
        await breath();
      }
    } catch (error) {
      this.#changed = true;
      alertText(error);
    } finally {
      this.#drawing = false;
    }
  }

  /** Puts the plan into the table of layers, where that is open. */
  async fill(): Promise<void> {
    const own = ++this.#filled;
    const { table } = this.#measured!;
    const { plan, pins } = this.#solved!;
    const damage = damageIn(table.unit);
    const body = at('layers');
    if (!at<HTMLDetailsElement>('details').open) return;
    for (const [i, layer] of table.layers.entries()) {
      if (i > 0 && i % ROWS === 0) await breath();
      if (own !== this.#filled) return;
      const row = body.children[i] ?? body.appendChild(this.#row(layer));
      const { bits } = plan.layers[i]!;
      row.children[2]!.textContent = widthText(bits);
      row.children[3]!.textContent = damage.format(layer.choices.find((c) => c.bits === bits)?.damage ?? null) ?? '-';
      row.querySelector('select')!.value = String(pins.get(layer.name) ?? 0);
    }
  }

  #row(layer: Measured['table']['layers'][number]): HTMLTableRowElement {
    const name = element('th', layer.name);
    name.scope = 'row';
    const pin = element('select', '');
    pin.setAttribute('aria-label', `pin ${layer.name}`);
    pin.append(new Option('free', '0'));
    for (const { bits } of layer.choices)
      pin.append(new Option(bits === FLOAT ? 'float' : `${bits} bits`, String(bits)));
    pin.onchange = () => void this.pin(layer.name, Number(pin.value));
    const cells = [formatCount(layer.params), '', ''].map((text) => element('td', text));
    return element('tr', '', name, ...cells, element('td', '', pin));
  }
}
