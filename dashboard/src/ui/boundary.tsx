import { Component, type ReactNode } from "react";

interface BoundaryProps {
  /** What is shown where the children cannot be. */
  readonly fallback: ReactNode;
  readonly children: ReactNode;
}

/** Keeps a defect in one part from taking the rest of the page along. */
export class Boundary extends Component<BoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}
