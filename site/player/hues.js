// A request's number -> its hue and pattern, the same in every lane, chip, bar and table.

// Twelve hues of equal lightness and chroma, ordered so that neighbours in number lie far apart.
// The span around red (345 to 45 degrees) is left out: red is kept for what hurts.
const ANGLES = [255, 72, 160, 338, 108, 288, 205, 52, 135, 316, 232, 182];
const TONES = { light: { l: 0.82, c: 0.105 }, dark: { l: 0.75, c: 0.105 } };

/** The hue in degrees. */
export function angle(request) {
  return ANGLES[request % ANGLES.length];
}

/** 0 plain, 1 to 3 patterned: the hues come again after twelve requests. */
export function pattern(request) {
  return Math.floor(request / ANGLES.length) % 4;
}

/** The colour as [red, green, blue], 0 to 255; `mix` 0 to 1 moves it towards `paper`. */
export function rgb(request, theme, mix = 0, paper = [255, 255, 255]) {
  const { l, c } = TONES[theme];
  return oklch(l, c, angle(request)).map((one, at) => Math.round(one + (paper[at] - one) * mix));
}

/** OKLCH -> sRGB, clipped to the gamut. */
function oklch(l, c, degrees) {
  const a = c * Math.cos((degrees * Math.PI) / 180);
  const b = c * Math.sin((degrees * Math.PI) / 180);
  const long = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const mid = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * mid + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * mid - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * mid + 1.707614701 * short,
  ].map(gamma);
}

function gamma(linear) {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(255 * Math.min(1, Math.max(0, value)));
}

/** "rgb(...)" of a triple. */
export function css([red, green, blue]) {
  return `rgb(${red} ${green} ${blue})`;
}
