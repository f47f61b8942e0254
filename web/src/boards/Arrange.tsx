import { Icon } from "../parts/Icon.tsx";
import { Menu, MenuButton } from "../parts/Menu.tsx";
import { announce } from "../state/announce.ts";

interface ArrangeProps {
  title: string;
  place: number;
  of: number;
  move: (by: number) => void;
  resize: (wider: number, higher: number) => void;
  remove: () => void;
}

/** The handle of a tile: arrows move it, with Shift they resize it; the same stands in its menu. */
export function Arrange({ title, place, of, move, resize, remove }: ArrangeProps) {
  const press = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    if (event.shiftKey) {
      const isAcross = event.key === "ArrowLeft" || event.key === "ArrowRight";
      resize(isAcross ? by : 0, isAcross ? 0 : by);
    } else if (place + by >= 0 && place + by < of) {
      move(by);
      announce(`${title}, place ${place + by + 1} of ${of}`);
    }
  };
  return (
    <>
      <button
        class="icon"
        type="button"
        aria-label={`Move ${title}`}
        title="Drag the title, or use the arrow keys; with Shift they resize it"
        onKeyDown={press}
      >
        <Icon name="swap" />
      </button>
      <Menu name={`Change ${title}`} class="icon" button={<Icon name="more" />}>
        <MenuButton act={() => move(-1)}>Earlier</MenuButton>
        <MenuButton act={() => move(1)}>Later</MenuButton>
        <MenuButton act={() => resize(1, 0)}>Wider</MenuButton>
        <MenuButton act={() => resize(-1, 0)}>Narrower</MenuButton>
        <MenuButton act={() => resize(0, 1)}>Higher</MenuButton>
        <MenuButton act={() => resize(0, -1)}>Lower</MenuButton>
        <MenuButton act={remove}>Take off the board</MenuButton>
      </Menu>
    </>
  );
}
