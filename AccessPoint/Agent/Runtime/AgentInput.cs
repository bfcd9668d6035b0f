using Masquerade.Core.Control;
using Masquerade.Core.Flow;

namespace Masquerade.AccessPoint.Agent.Runtime;

/// <summary>Something that another thread has for the data thread, which alone touches the node.</summary>
internal abstract record AgentInput;

/// <summary>The connection to a coordinator is there.</summary>
internal sealed record ControlUp : AgentInput;

/// <summary>It is gone.</summary>
internal sealed record ControlDown : AgentInput;

/// <summary>The coordinator has sent a message.</summary>
internal sealed record ControlReceived(ControlMessage Message) : AgentInput;

/// <summary>The radio has gained or lost a client, or has learnt whose key its link has proved; null: that is not known.</summary>
internal sealed record StationChanged(MacAddress Client, bool IsConnected, string? User = null) : AgentInput;

/// <summary>hostapd has asked for a key, or answers.</summary>
internal sealed record KeyFrameReceived(byte[] Frame) : AgentInput;

/// <summary>Somebody wants to know how things are.</summary>
internal sealed record StatusAsked(TaskCompletionSource<byte[]> Answer) : AgentInput;
