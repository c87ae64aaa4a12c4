import { Component, type ReactNode } from "react";

interface BoundaryProps {
  /** Shown if the children fail to render. */
  readonly fallback: ReactNode;
  readonly children: ReactNode;
}

/** Error boundary: a defect in one part does not break the rest of the page. */
export class Boundary extends Component<BoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
