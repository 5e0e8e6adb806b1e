"use strict";

// A pyramid halves each level and rounds down, in width and height apart from each other, so that
// the sizes of its levels are told and not computed.
(() => {
  const place = document.getElementById("zoom");
  const pyramid = JSON.parse(place.dataset.pyramid);
  const last = pyramid.levels.length - 1;
  const whole = pyramid.levels[last];
  const slope = whole.height / whole.width;
  const { Point, Rect, TileSource } = OpenSeadragon;

  const source = new TileSource({
    width: whole.width,
    height: whole.height,
    tileSize: pyramid.tile,
    tileOverlap: 0,
    minLevel: 0,
    maxLevel: last,
    getTileUrl: (level, column, row) =>
      `${pyramid.tiles}${level}/${column}_${row}.webp?${pyramid.query}`,
  });
  // A tile then takes the place of what is coarser, instead of lying on it.
  source.hasTransparency = () => pyramid.transparent;
  source.getNumTiles = (level) => new Point(pyramid.levels[level].columns, pyramid.levels[level].rows);
  source.getTileAtPoint = (level, point) => {
    const { width, height, columns, rows } = pyramid.levels[level];
    const column = Math.floor((point.x * width) / pyramid.tile);
    const row = Math.floor(((point.y / slope) * height) / pyramid.tile);
    return new Point(Math.min(Math.max(column, 0), columns - 1), Math.min(Math.max(row, 0), rows - 1));
  };
  source.getTileBounds = (level, column, row, inPixels) => {
    const { width, height } = pyramid.levels[level];
    const left = column * pyramid.tile;
    const top = row * pyramid.tile;
    const across = Math.min(pyramid.tile, width - left);
    const down = Math.min(pyramid.tile, height - top);
    if (inPixels) return new Rect(0, 0, across, down);
    return new Rect(left / width, (top / height) * slope, across / width, (down / height) * slope);
  };

  // OpenSeadragon would write a style element into the page, which the policy forbids, unless it
  // finds one. This is one by its name only, of no namespace; the rule itself is in viewer.css.
  const styled = document.createElementNS(null, "style");
  styled.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(styled);

  const viewer = OpenSeadragon({
    element: place,
    tileSources: source,
    drawer: "canvas",
    showNavigationControl: false,
    showNavigator: false,
    maxZoomPixelRatio: 8,
    imageSmoothingEnabled: true,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
  });
  viewer.addHandler("tile-load-failed", () => {
    document.querySelector(".trouble").hidden = false;
  });
  const steps = {
    in: () => viewer.viewport.zoomBy(2),
    out: () => viewer.viewport.zoomBy(0.5),
    whole: () => viewer.viewport.goHome(),
    full: () => viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1 / devicePixelRatio)),
  };
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => {
      steps[button.dataset.step]();
      viewer.viewport.applyConstraints();
    });
  }
})();
