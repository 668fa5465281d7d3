package org.mezzotint.io;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.exc.InputCoercionException;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.exc.InvalidFormatException;
import com.fasterxml.jackson.databind.exc.InvalidTypeIdException;
import com.fasterxml.jackson.databind.exc.MismatchedInputException;
import com.fasterxml.jackson.databind.exc.UnrecognizedPropertyException;
import com.fasterxml.jackson.databind.exc.ValueInstantiationException;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** Turns what Jackson throws while it binds a tree into one line for the user. */
final class BindingErrors {
    private BindingErrors() {}

    static InputException explain(ObjectMapper mapper, JsonNode tree, String source, JsonProcessingException e) {
        List<String> path = new ArrayList<>();
        JsonNode node = tree;
        JsonNode parent = tree;
        if (e instanceof JsonMappingException mapping) {
            for (JsonMappingException.Reference step : mapping.getPath()) {
                String name = step.getFieldName() != null ? step.getFieldName() : Integer.toString(step.getIndex());
                path.add(name);
                parent = node;
                node = node == null ? null : step.getFieldName() != null ? node.get(name) : node.get(step.getIndex());
            }
        }
        String what;
        if (e instanceof UnrecognizedPropertyException unknown) {
            Class<?> owner = unknown.getReferringClass();
            what = "unknown key, " + NearestName.hint(unknown.getPropertyName(), components(owner));
        } else if (e instanceof InvalidTypeIdException invalid) {
            Class<?> family = invalid.getBaseType().getRawClass();
            path.add(typeKey(family));
            Collection<String> valid = variants(family);
            String id = invalid.getTypeId();
            what = id == null
                    ? "the key is missing, valid are " + String.join(", ", valid)
                    : "unknown type \"" + id + "\", " + both(id, valid);
        } else if (e instanceof ValueInstantiationException refused && refused.getCause() != null) {
            String message = refused.getCause().getMessage();
            what = message == null ? refused.getCause().getClass().getSimpleName() : message;
        } else if (e instanceof MismatchedInputException mismatch) {
            what = mismatch(mapper, mismatch, parent, node, path);
        } else if (e.getCause() instanceof InputCoercionException range) {
            what = "must be a whole number of " + bits(range.getTargetType()) + " bits, got " + shown(node);
        } else {
            what = e.getOriginalMessage();
        }
        String where = path.isEmpty() ? "" : InputException.oneLine(String.join(".", path)) + ": ";
        return new InputException(source + ": " + where + InputException.oneLine(what), e);
    }

    private static String mismatch(
            ObjectMapper mapper, MismatchedInputException e, JsonNode parent, JsonNode node, List<String> path) {
        Class<?> target = e.getTargetType();
        if (node == null && !path.isEmpty()) {
            // Jackson's path then ends with the missing key.
            int last = path.size() - 1;
            path.remove(last);
            Object owner = e.getPath().get(last).getFrom();
            return keys(owner instanceof Class<?> type ? type : owner.getClass(), parent, path);
        }
        if (target != null && target.isRecord() && node != null && node.isObject()) {
            return keys(target, node, path);
        }
        if (target != null && target.isEnum()) {
            List<String> valid = enumNames(mapper, target);
            String given = e instanceof InvalidFormatException format ? String.valueOf(format.getValue()) : shown(node);
            return "must be one of " + String.join(", ", valid) + ", got " + (node == null ? given : shown(node))
                    + near(given, valid);
        }
        return "must be " + (target == null ? "of another kind" : kind(target)) + ", got " + shown(node);
    }

    private static int bits(Class<?> type) {
        return type == int.class || type == Integer.class ? 32 : 64;
    }

    /** What is wrong with the keys of an object: an unknown one, most likely a misspelt one, before a missing one. */
    private static String keys(Class<?> target, JsonNode node, List<String> path) {
        List<String> valid = components(target);
        List<String> given = new ArrayList<>();
        node.fieldNames().forEachRemaining(given::add);
        given.remove(typeKey(target));
        for (String key : given) {
            if (!valid.contains(key)) {
                path.add(key);
                return "unknown key, " + NearestName.hint(key, valid);
            }
        }
        valid.removeAll(given);
        path.addAll(valid.subList(0, Math.min(1, valid.size())));
        return "the key is missing";
    }

    private static List<String> components(Class<?> type) {
        List<String> names = new ArrayList<>();
        RecordComponent[] components = type.isRecord() ? type.getRecordComponents() : new RecordComponent[0];
        for (RecordComponent component : components) {
            names.add(component.getName());
        }
        return names;
    }

    private static String kind(Class<?> target) {
        if (target == boolean.class || target == Boolean.class) {
            return "true or false";
        } else if (target == double.class || target == Double.class || target == float.class || target == Float.class) {
            return "a number";
        } else if (target.isPrimitive() || Number.class.isAssignableFrom(target)) {
            return "a whole number";
        } else if (CharSequence.class.isAssignableFrom(target)) {
            return "a text (quote it)";
        } else if (target.isArray() || Collection.class.isAssignableFrom(target)) {
            return "a list";
        } else if (Map.class.isAssignableFrom(target)) {
            return "keys with values";
        } else if (target.isRecord()) {
            return "an object with the keys " + String.join(", ", components(target));
        }
        return "a " + target.getSimpleName();
    }

    private static String shown(JsonNode node) {
        return node == null ? "nothing" : InputException.oneLine(node.toString());
    }

    private static String near(String given, Collection<String> valid) {
        String near = NearestName.of(given, valid);
        return near == null ? "" : ", did you mean \"" + near + "\"?";
    }

    private static String both(String given, Collection<String> valid) {
        return "valid are " + String.join(", ", valid) + near(given, valid);
    }

    private static List<String> enumNames(ObjectMapper mapper, Class<?> type) {
        List<String> names = new ArrayList<>();
        for (Object constant : type.getEnumConstants()) {
            names.add(mapper.convertValue(constant, String.class));
        }
        return names;
    }

    private static String typeKey(Class<?> family) {
        JsonTypeInfo info = family.getAnnotation(JsonTypeInfo.class);
        return info == null || info.property().isEmpty() ? "type" : info.property();
    }

    private static Collection<String> variants(Class<?> family) {
        JsonSubTypes annotation = family.getAnnotation(JsonSubTypes.class);
        Collection<String> names = new TreeSet<>();
        if (annotation != null) {
            for (JsonSubTypes.Type type : annotation.value()) {
                JsonTypeName name = type.value().getAnnotation(JsonTypeName.class);
                names.add(
                        !type.name().isEmpty()
                                ? type.name()
                                : name == null ? type.value().getSimpleName() : name.value());
            }
        }
        return names;
    }
}
